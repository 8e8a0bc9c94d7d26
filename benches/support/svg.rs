//! What the pictures share: their head, and the shapes that they are made of.
#![allow(dead_code, unreachable_pub)]

use std::fmt::{self, Write};

/// The head of a picture that fits the page around it, bright or dark, and tells
/// screen readers what it shows. Its text is of the classes `ink` and `soft`.
pub fn open(svg: &mut String, size: (f64, f64), title: &str, description: &str) -> fmt::Result {
    let (width, height) = size;
    write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" "#
    )?;
    write!(svg, r#"role="img" aria-labelledby="title desc" "#)?;
    writeln!(
        svg,
        r#"font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="13">"#
    )?;
    writeln!(svg, r#"<title id="title">{title}</title>"#)?;
    writeln!(svg, r#"<desc id="desc">{description}</desc>"#)?;
    writeln!(svg, "<style>{STYLE}</style>")?;
    writeln!(svg, r#"<rect width="100%" height="100%" class="paper"/>"#)
}

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

/// Text that a line may go through: on a border of the paper's color.
pub fn text_on_line(svg: &mut String, at: (f64, f64), said: &str, style: &str) -> fmt::Result {
    text(svg, at, said, &format!(r#"class="halo" {style}"#))?;
    text(svg, at, said, &format!(r#"class="ink" {style}"#))
}

const STYLE: &str = "\n\
    .paper { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e }\n\
    .line { stroke: #1f2328 } .halo { stroke: #ffffff; stroke-width: 4 }\n\
    @media (prefers-color-scheme: dark) {\n\
    .paper { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 }\n\
    .line { stroke: #f0f6fc } .halo { stroke: #0d1117 }\n\
    }\n";
