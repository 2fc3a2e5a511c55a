//! `doorward diff old.vcl new.vcl`: what a change of the rules changes, as doors opened and doors closed.

use std::path::Path;

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::plays::{self, Gateway};

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let mut gateways = Vec::new();
    for operand in given.operands() {
        // Both are read, so that the faults of both are seen.
        gateways.push(rules::read(Path::new(operand), paper).map(Gateway::new));
    }
    let mut gateways = gateways.into_iter();
    let (Some(Ok(old)), Some(Ok(new))) = (gateways.next(), gateways.next()) else {
        // As `diff` has it: 1 says that there are differences, 2 that it can't be known.
        return End::Usage;
    };
    let changes = plays::compare(&old, &new);
    paper.say(&plays::draw(&changes));
    if changes.is_empty() { End::Good } else { End::Faults }
}
