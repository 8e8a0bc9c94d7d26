//! Rectangles, texts and numbers of the pictures.
#![allow(unreachable_pub)]

use std::fmt::{self, Write};

pub fn rect(svg: &mut String, (x, y): (f64, f64), (w, h): (f64, f64), color: &str) -> fmt::Result {
    write!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" "#)?;
    writeln!(
        svg,
        r#"height="{h:.1}" fill="{color}" shape-rendering="crispEdges"/>"#
    )
}

pub fn text(svg: &mut String, (x, y): (f64, f64), text: &str, style: &str) -> fmt::Result {
    writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" {style}>{text}</text>"#)
}

/// With commas at the thousands.
pub fn grouped(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", grouped(thousands)),
    }
}
