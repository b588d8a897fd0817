//! What rendering may cost.

use std::cell::Cell;

use super::Fail;
use super::value::{Result, Value};

/// What one prompt may cost: about bytes made, and 16 for each step.
const BUDGET: usize = 64 << 20;
/// How deep expressions, statements and macros may be in one another.
const MAX_DEPTH: usize = 120;

/// Counts what rendering costs, and ends it.
#[derive(Debug)]
pub(super) struct Work {
    left: Cell<usize>,
    depth: Cell<usize>,
}

impl Work {
    pub fn new() -> Self {
        Self { left: Cell::new(BUDGET), depth: Cell::new(0) }
    }

    /// To be called before so many bytes are made.
    pub fn charge(&self, bytes: usize) -> Result<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Fail::TooMuch),
        }
    }

    /// To be called before two values are compared.
    pub fn compare(&self, a: &Value, b: &Value) -> Result<()> {
        self.charge(a.weight().min(b.weight()).saturating_mul(16))
    }

    pub fn step(&self) -> Result<()> {
        self.charge(16)
    }

    /// Goes one level deeper; [`Work::leave`] goes back.
    pub fn enter(&self) -> Result<()> {
        self.step()?;
        let depth = self.depth.get();
        if depth >= MAX_DEPTH {
            return Err(Fail::TooMuch);
        }
        self.depth.set(depth + 1);
        Ok(())
    }

    pub fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }
}
