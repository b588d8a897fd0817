//! Tables: rows of cells, or paragraphs where a table was used for the layout of a page.

use super::Format;

/// A cell with more text than this, in bytes, is part of a layout and not of a table.
const MAX_CELL_LEN: usize = 1000;

/// The cells of a table that have been read.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    is_layout: bool,
}

impl Table {
    pub(super) fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    /// `has_blocks`: whether there is more in it than lines of text.
    pub(super) fn push(&mut self, cell: String, has_blocks: bool) {
        self.is_layout |= has_blocks || cell.len() > MAX_CELL_LEN;
        if self.rows.is_empty() {
            self.begin_row();
        }
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// The blocks that the table is written as. Its first row is the head, for Markdown knows no
    /// table without.
    pub(super) fn into_blocks(mut self, format: Format) -> Vec<String> {
        self.rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        let width = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        if self.is_layout || width < 2 {
            return self.rows.into_iter().flatten().filter(|cell| !cell.is_empty()).collect();
        }
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            if format == Format::Text {
                text.push_str(
                    &row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>().join(" | "),
                );
                text.push('\n');
                continue;
            }
            // The head says how many columns there are; other rows may have fewer.
            let missing = if index == 0 { width - row.len() } else { 0 };
            text.push('|');
            for cell in row {
                text.extend([" ", one_line(&cell.replace('|', "\\|")).as_str(), " |"]);
            }
            text.push_str(&"  |".repeat(missing));
            text.push('\n');
            if index == 0 {
                text.extend(["|", &" --- |".repeat(width), "\n"]);
            }
        }
        vec![text]
    }
}

fn one_line(cell: &str) -> String {
    cell.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
