//! What all VMs of one process share: data with compare-and-swap, queues, metrics.

use crate::metrics::MetricStore;
use crate::status::Status;
use crate::worker::WorkerCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The state of one Envoy process. Give the same one to several plugins to let them meet.
#[derive(Clone, Default)]
pub struct Shared(Arc<Inner>);

#[derive(Default)]
struct Inner {
    data: Mutex<HashMap<String, VmData>>,
    queues: Mutex<Queues>,
    metrics: Mutex<MetricStore>,
    workers: Mutex<HashMap<u64, Weak<WorkerCell>>>,
    next_worker: AtomicU64,
    events: AtomicU64,
}

#[derive(Default)]
struct VmData {
    entries: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    next_cas: u32,
    bytes: usize,
}

#[derive(Default)]
struct Queues {
    tokens: HashMap<(String, Vec<u8>), u32>,
    queues: HashMap<u32, Queue>,
    ready: VecDeque<QueueReady>,
    next_token: u32,
}

#[derive(Default)]
struct Queue {
    worker: u64,
    root: u32,
    items: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// A queue that has something for the root context that registered it last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueReady {
    pub(crate) worker: u64,
    pub(crate) root: u32,
    pub(crate) token: u32,
}

impl fmt::Debug for Shared {
    /// Which process it is: its address, by which two handles can be compared.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&Arc::as_ptr(&self.0)).finish()
    }
}

impl Shared {
    /// A process of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value and its cas, as a guest of that VM id would read them.
    pub fn data(&self, vm_id: &str, key: impl AsRef<[u8]>) -> Option<(Vec<u8>, u32)> {
        lock(&self.0.data).get(vm_id)?.entries.get(key.as_ref()).cloned()
    }

    /// Sets a value as a guest would: a cas of 0 always writes.
    pub fn set_data(
        &self,
        vm_id: &str,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        cas: u32,
    ) -> Result<(), Status> {
        self.set(vm_id, key.as_ref(), value.as_ref(), cas, usize::MAX)
    }

    pub(crate) fn set(
        &self,
        vm_id: &str,
        key: &[u8],
        value: &[u8],
        cas: u32,
        limit: usize,
    ) -> Result<(), Status> {
        let mut data = lock(&self.0.data);
        if !data.contains_key(vm_id) {
            data.insert(vm_id.to_owned(), VmData { next_cas: 1, ..VmData::default() });
        }
        let Some(vm) = data.get_mut(vm_id) else {
            return Err(Status::InternalFailure);
        };
        let old = vm.entries.get(key).map(|(old, cas)| (old.len() + key.len(), *cas));
        if cas != 0 && old.is_some_and(|(_, known)| known != cas) {
            return Err(Status::CasMismatch);
        }
        let bytes = vm.bytes - old.map_or(0, |(bytes, _)| bytes) + key.len() + value.len();
        if bytes > limit {
            return Err(Status::InternalFailure);
        }
        vm.bytes = bytes;
        vm.entries.insert(key.to_vec(), (value.to_vec(), vm.next_cas));
        // 0 means "write whatever is there", so no entry may carry it.
        vm.next_cas = vm.next_cas.checked_add(1).unwrap_or(1);
        Ok(())
    }

    pub(crate) fn register_queue(&self, vm_id: &str, name: &[u8], worker: u64, root: u32) -> u32 {
        let mut queues = lock(&self.0.queues);
        let key = (vm_id.to_owned(), name.to_vec());
        let token = match queues.tokens.get(&key) {
            Some(token) => *token,
            None => {
                queues.next_token += 1;
                let token = queues.next_token;
                queues.tokens.insert(key, token);
                token
            }
        };
        let queue = queues.queues.entry(token).or_default();
        (queue.worker, queue.root) = (worker, root);
        token
    }

    pub(crate) fn resolve_queue(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        lock(&self.0.queues).tokens.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    pub(crate) fn enqueue(&self, token: u32, item: &[u8], limit: usize) -> Result<(), Status> {
        let mut queues = lock(&self.0.queues);
        let queue = queues.queues.get_mut(&token).ok_or(Status::NotFound)?;
        // An empty item takes memory too.
        if queue.bytes + item.len() + 32 > limit {
            return Err(Status::InternalFailure);
        }
        queue.bytes += item.len() + 32;
        queue.items.push_back(item.to_vec());
        let ready = QueueReady { worker: queue.worker, root: queue.root, token };
        queues.ready.push_back(ready);
        self.0.events.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn dequeue(&self, token: u32) -> Result<Vec<u8>, Status> {
        let mut queues = lock(&self.0.queues);
        let queue = queues.queues.get_mut(&token).ok_or(Status::NotFound)?;
        let item = queue.items.pop_front().ok_or(Status::Empty)?;
        queue.bytes -= item.len() + 32;
        Ok(item)
    }

    /// The next queue event and the worker it is for. Events of dropped workers are lost.
    pub(crate) fn next_event(&self) -> Option<(QueueReady, Arc<WorkerCell>)> {
        while self.0.events.load(Ordering::SeqCst) > 0 {
            let ready = lock(&self.0.queues).ready.pop_front()?;
            self.0.events.fetch_sub(1, Ordering::SeqCst);
            let worker = lock(&self.0.workers).get(&ready.worker).and_then(Weak::upgrade);
            if let Some(worker) = worker {
                return Some((ready, worker));
            }
        }
        None
    }

    pub(crate) fn new_worker_id(&self) -> u64 {
        self.0.next_worker.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn add_worker(&self, id: u64, worker: &Arc<WorkerCell>) {
        lock(&self.0.workers).insert(id, Arc::downgrade(worker));
    }

    pub(crate) fn remove_worker(&self, id: u64) {
        lock(&self.0.workers).remove(&id);
    }

    pub(crate) fn metric_store(&self) -> MutexGuard<'_, MetricStore> {
        lock(&self.0.metrics)
    }
}

/// No code that holds these locks can panic half-way, so a poisoned one is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cas_guards_only_what_exists() {
        let shared = Shared::new();
        assert_eq!(shared.set_data("vm", "k", "1", 99), Ok(()));
        let (_, cas) = shared.data("vm", "k").unwrap_or_default();
        assert_eq!(shared.set_data("vm", "k", "2", cas + 1), Err(Status::CasMismatch));
        assert_eq!(shared.set_data("vm", "k", "2", cas), Ok(()));
        assert_eq!(shared.set_data("vm", "k", "3", cas), Err(Status::CasMismatch));
        assert_eq!(shared.set_data("vm", "k", "3", 0), Ok(()));
        assert_eq!(shared.data("other", "k"), None);
    }

    #[test]
    fn shared_data_is_bounded() {
        let shared = Shared::new();
        assert_eq!(shared.set("vm", b"key", b"1234567", 0, 10), Ok(()));
        assert_eq!(shared.set("vm", b"key", b"12345678", 0, 10), Err(Status::InternalFailure));
        assert_eq!(shared.set("vm", b"key", b"7654321", 0, 10), Ok(()));
    }

    #[test]
    fn queues_are_first_in_first_out() {
        let shared = Shared::new();
        let token = shared.register_queue("vm", b"q", 1, 1);
        assert_eq!(shared.register_queue("vm", b"q", 2, 1), token);
        assert_eq!(shared.resolve_queue("vm", b"q"), Some(token));
        assert_eq!(shared.resolve_queue("other", b"q"), None);
        assert_eq!(shared.dequeue(token), Err(Status::Empty));
        assert_eq!(shared.enqueue(token, b"a", 1000), Ok(()));
        assert_eq!(shared.enqueue(token, b"b", 1000), Ok(()));
        assert_eq!(shared.dequeue(token), Ok(b"a".to_vec()));
        assert_eq!(shared.dequeue(77), Err(Status::NotFound));
    }
}
