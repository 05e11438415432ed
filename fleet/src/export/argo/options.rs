//! The options of the export to Argo Rollouts.

/// The options of the export to Argo Rollouts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address of a Prometheus that has the rules of [`prometheus`](crate::export::prometheus).
    pub prometheus: String,
    /// The namespace. Without it, the resources name none.
    pub namespace: Option<String>,
    /// An existing VirtualService with one route to both arms. Without it, each rollout gets a VirtualService
    /// of its own.
    pub virtual_service: Option<String>,
    /// The gateway of the VirtualServices. Without it, they route calls inside the mesh.
    pub gateway: Option<String>,
}
