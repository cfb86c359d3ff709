//! A stream whose user may see other namespaces than before goes on in another view.

use super::Core;
use super::reason::Reason;
use super::slot::SlotId;
use crate::feed::Scope;

impl Core {
    /// The stream goes on with what this scope shows.
    pub(super) fn rescope(&mut self, id: SlotId, scope: &Scope) {
        tracing::debug!(stream = self.slots.get(id).number, scope = scope.namespace(), "stream.rescoped");
        self.close(id, Reason::Denied);
    }
}
