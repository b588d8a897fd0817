//! Elements whose contents are passed over, and where that ends.

use super::element::Element;

/// Where skipping ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Only with its own end tag, as in browsers.
    End,
    /// With the next block: an unclosed hidden `<span>` does not take the rest of the page along.
    Block,
    /// With the main part, for navigation that is not closed.
    Main,
    /// As browsers leave an unclosed `<svg>`: with an HTML element outside `<foreignObject>`. The
    /// number says how many of those, or of `<desc>` and `<title>`, are open.
    Html(u32),
}

/// An element that is passed over.
#[derive(Debug)]
pub(super) struct Skip {
    name: Vec<u8>,
    /// How many elements of the name are open.
    depth: u32,
    until: Until,
}

impl Skip {
    /// Begins with the start tag of an element.
    pub(super) fn new(name: &[u8], element: Element) -> Self {
        let until = match element {
            Element::Dropped => Until::End,
            Element::Svg => Until::Html(0),
            _ if element.is_inline() || name == b"p" => Until::Block,
            _ => Until::Main,
        };
        Self { name: name.to_vec(), depth: 1, until }
    }

    /// Whether it is an `<svg>`, where tags follow the rules of XML.
    pub(super) fn is_in_svg(&self) -> bool {
        self.until == Until::Html(0)
    }

    /// Takes a start tag. False when skipping ends before it.
    pub(super) fn start(&mut self, name: &[u8], element: Element) -> bool {
        match &mut self.until {
            Until::Block if !element.is_inline() => return false,
            Until::Main if element == Element::Main => return false,
            Until::Html(points) if is_integration_point(name) => *points = points.saturating_add(1),
            // An unknown element is one of SVG. It has links, scripts and styles of its own.
            Until::Html(0)
                if !matches!(
                    element,
                    Element::Inline
                        | Element::Svg
                        | Element::Link
                        | Element::Dropped
                        | Element::Title
                ) || name == b"span" =>
            {
                return false;
            }
            _ => {}
        }
        if name == self.name {
            self.depth = self.depth.saturating_add(1);
        }
        true
    }

    /// Takes an end tag. True when skipping ends with it.
    pub(super) fn end(&mut self, name: &[u8], element: Element) -> bool {
        match &mut self.until {
            Until::Block if !element.is_inline() => return true,
            Until::Html(points) if is_integration_point(name) => *points = points.saturating_sub(1),
            _ => {}
        }
        if name == self.name {
            self.depth = self.depth.saturating_sub(1);
        }
        self.depth == 0
    }
}

/// Whether HTML may stand in this element of SVG.
fn is_integration_point(name: &[u8]) -> bool {
    matches!(name, b"foreignobject" | b"desc" | b"title")
}
