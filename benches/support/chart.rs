//! The hot path's ratios as a picture.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use std::fmt::{self, Write};

use crate::svg::{open, rect, text, text_on_line};

/// Groups of bars: a title, and each bar's name and ratio.
pub fn draw(groups: &[(&str, Vec<(&str, f64)>)]) -> Result<String, fmt::Error> {
    let bottom = TOP + groups.len() as f64 * GROUP;
    let longest = groups.iter().flat_map(|(_, bars)| bars);
    let longest = longest.map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - LABEL) / longest;
    let mut svg = String::new();
    let size = (WIDTH, bottom + 60.0);
    open(&mut svg, size, TITLE, &description(groups))?;
    let style = r#"class="ink" font-size="17" font-weight="bold""#;
    text(&mut svg, (16.0, 28.0), TITLE, style)?;
    text(&mut svg, (16.0, 48.0), UNITS, r#"class="soft""#)?;

    // Through all groups: a fixed header.
    let one = LEFT + scale;
    write!(svg, r#"<line x1="{one:.1}" y1="{TOP}" x2="{one:.1}" "#)?;
    writeln!(
        svg,
        r#"y2="{:.1}" class="line" stroke-dasharray="3 3"/>"#,
        bottom - 4.0
    )?;
    for (index, (title, bars)) in groups.iter().enumerate() {
        let top = TOP + index as f64 * GROUP;
        text(&mut svg, (16.0, top + 36.0), title, r#"class="ink""#)?;
        for (index, (name, ratio)) in bars.iter().enumerate() {
            let (y, width) = (top + 8.0 + index as f64 * BAR, ratio * scale);
            let (color, weight) = COLORS[index % COLORS.len()];
            rect(&mut svg, (LEFT, y), (width, BAR - 3.0), color)?;
            let at = (LEFT + width + 6.0, y + 12.0);
            let style = format!(r#"font-size="12" font-weight="{weight}""#);
            text_on_line(&mut svg, at, &format!("{ratio:.2} {name}"), &style)?;
        }
    }
    for (line, said) in WHY.iter().enumerate() {
        let at = (16.0, bottom + 20.0 + line as f64 * 17.0);
        text(&mut svg, at, said, r#"class="soft" font-size="12""#)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The picture in words.
fn description(groups: &[(&str, Vec<(&str, f64)>)]) -> String {
    let group = |(title, bars): &(&str, Vec<(&str, f64)>)| {
        let bars = bars
            .iter()
            .map(|(name, ratio)| format!("{name} {ratio:.2}"));
        format!("{title}: {}", bars.collect::<Vec<_>>().join(", "))
    };
    let groups: Vec<String> = groups.iter().map(group).collect();
    format!("{UNITS} {}. {}", groups.join("; "), WHY.join(" "))
}

const TITLE: &str = "What a request pays for its token, while that is fresh";
const UNITS: &str = "Time added, in units of what a fixed header costs \
    (tower_http::set_header = 1). Shorter is better.";
const WHY: [&str; 2] = [
    "Why less than 1 on two threads: a fixed header's value has one reference count, which both threads \
     change with",
    "each request, so that they wait for each other. The layer has a copy of the token for every few threads.",
];

const WIDTH: f64 = 820.0;
const LEFT: f64 = 230.0;
const TOP: f64 = 62.0;
/// Room for a name to the right of the longest bar.
const LABEL: f64 = 170.0;
const GROUP: f64 = 64.0;
const BAR: f64 = 17.0;
const COLORS: [(&str, &str); 3] = [
    ("#9aa5b1", "normal"),
    ("#2f81c7", "bold"),
    ("#d98880", "normal"),
];
