//! Waiting for JavaScript's promises, without a queue: a task runs until it has to wait, and goes on
//! in the very callback that brings the outcome.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::{self, Thrown};

type Work = Pin<Box<dyn Future<Output = ()>>>;
type Outcome = Cell<Option<Result<JsValue, Thrown>>>;

/// Work that is not over yet; empty while it runs.
struct Task(RefCell<Option<Work>>);

thread_local! {
    /// The task that runs now.
    static CURRENT: RefCell<Option<Rc<Task>>> = const { RefCell::new(None) };
}

/// Starts work at once; what waits in it goes on later.
pub(crate) fn run(work: impl Future<Output = ()> + 'static) {
    go_on(Rc::new(Task(RefCell::new(Some(Box::pin(work))))));
}

fn go_on(task: Rc<Task>) {
    let Some(mut work) = task.0.take() else { return };
    let before = CURRENT.replace(Some(Rc::clone(&task)));
    // Nothing here needs waking: the promise's callback goes on with the task itself.
    let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    CURRENT.replace(before);
    if polled.is_pending() {
        task.0.replace(Some(work));
    }
}

/// A promise's outcome, for `.await`.
pub(crate) struct Settled {
    promise: Option<JsValue>,
    outcome: Rc<Outcome>,
}

impl Settled {
    pub(crate) fn new(promise: JsValue) -> Settled {
        Settled { promise: Some(promise), outcome: Rc::default() }
    }
}

impl Future for Settled {
    type Output = Result<JsValue, Thrown>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if let (Some(promise), Some(task)) =
            (self.promise.take(), CURRENT.with_borrow(Clone::clone))
        {
            let outcome = Rc::clone(&self.outcome);
            host::settled(&promise, Waiting { task, outcome });
            return Poll::Pending;
        }
        self.outcome.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A task that waits for a promise. JavaScript owns it, so that it goes when a request was cut off and
/// its promises with it.
#[wasm_bindgen]
#[allow(missing_debug_implementations, unreachable_pub)]
pub struct Waiting {
    task: Rc<Task>,
    outcome: Rc<Outcome>,
}

#[wasm_bindgen]
#[allow(unreachable_pub)]
impl Waiting {
    /// The promise came true.
    pub fn fulfilled(self, value: JsValue) {
        self.outcome.set(Some(Ok(value)));
        go_on(self.task);
    }

    /// It did not.
    pub fn rejected(self, thrown: JsValue) {
        self.outcome.set(Some(Err(thrown)));
        go_on(self.task);
    }
}
