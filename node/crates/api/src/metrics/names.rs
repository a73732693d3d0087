//! Where metrics get their names.

use prometheus_client::registry::{Metric, Registry, Unit};

/// The part of a registry whose metrics begin with the same word.
pub(super) struct Names<'a>(pub(super) &'a mut Registry);

impl Names<'_> {
    pub(super) fn plain<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: &M) {
        self.0.register(name, help, metric.clone());
    }

    pub(super) fn unit<M: Metric + Clone>(
        &mut self,
        name: &str,
        help: &str,
        unit: Unit,
        metric: &M,
    ) {
        self.0.register_with_unit(name, help, unit, metric.clone());
    }
}
