//! Draws what the token endpoint sees of a fleet, minute by minute, as an SVG.
#![allow(unreachable_pub, clippy::arithmetic_side_effects)]

use std::fmt;
use std::ops::Range;

use crate::svg::{open, rect, text};

/// A fleet's POSTs, by the minute.
pub struct Panel {
    pub name: &'static str,
    pub summary: String,
    pub posts: Vec<usize>,
}

/// What happens in some minutes, and its colour.
pub struct Phase {
    pub name: &'static str,
    pub minutes: Range<f64>,
    pub color: &'static str,
}

pub fn draw(title: &str, phases: &[Phase], panels: &[Panel]) -> Result<String, fmt::Error> {
    let minutes = panels.iter().map(|panel| panel.posts.len()).max();
    let scale = Scale(minutes.unwrap_or(1) as f64);
    let depth = PANEL * panels.len() as f64;
    let height = TOP + depth + BOTTOM;
    let mut svg = String::new();
    let summaries = panels
        .iter()
        .map(|panel| format!("{}: {}.", panel.name, panel.summary));
    let description = summaries.collect::<Vec<_>>().join(" ");
    open(&mut svg, (WIDTH, height), title, &description)?;
    let heading = r#"class="ink" font-size="20" font-weight="600""#;
    text(&mut svg, (LEFT, 36.0), title, heading)?;
    let note = "POSTs that reach the token endpoint in each minute. The scale is logarithmic.";
    text(&mut svg, (LEFT, 58.0), note, SOFT)?;

    for phase in phases {
        let (from, to) = (scale.x(phase.minutes.start), scale.x(phase.minutes.end));
        rect(&mut svg, (from, TOP), (to - from, depth), phase.color)?;
        let label = r#"class="ink" font-size="12" text-anchor="middle""#;
        let at = ((from + to) / 2.0, TOP - 6.0);
        text(&mut svg, at, phase.name, label)?;
    }
    for (n, panel) in panels.iter().enumerate() {
        draw_panel(&mut svg, panel, &scale, TOP + PANEL * n as f64)?;
    }
    for minute in (0..=scale.0 as usize).step_by(10) {
        let unit = if minute == 0 { " min" } else { "" };
        let style = format!(r#"{SOFT} text-anchor="middle""#);
        let at = (scale.x(minute as f64), TOP + depth + 22.0);
        text(&mut svg, at, &format!("{minute}{unit}"), &style)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn draw_panel(svg: &mut String, panel: &Panel, scale: &Scale, top: f64) -> fmt::Result {
    let bold = r#"class="ink" font-size="15" font-weight="600""#;
    text(svg, (LEFT, top + 26.0), panel.name, bold)?;
    let end = r#"class="ink" text-anchor="end""#;
    text(svg, (WIDTH - RIGHT, top + 26.0), &panel.summary, end)?;
    let bottom = top + PANEL - 14.0;
    for posts in [1, 10, 100, 1000, 10_000] {
        let y = bottom - length(posts);
        rect(svg, (LEFT, y), (WIDTH - LEFT - RIGHT, 1.0), RULE)?;
        let style = format!(r#"{SOFT} text-anchor="end""#);
        text(svg, (LEFT - 10.0, y + 4.0), &grouped(posts), &style)?;
    }
    for (minute, posts) in panel.posts.iter().enumerate() {
        if *posts == 0 {
            continue;
        }
        let (x, length) = (scale.x(minute as f64), length(*posts));
        let width = scale.x(1.0) - scale.x(0.0) - 2.0;
        rect(svg, (x + 1.0, bottom - length), (width, length), BAR)?;
    }
    rect(svg, (LEFT, bottom), (WIDTH - LEFT - RIGHT, 1.0), AXIS)
}

/// With commas at the thousands.
pub fn grouped(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", grouped(thousands)),
    }
}

/// One POST is to be seen, too.
fn length(posts: usize) -> f64 {
    ONE + (posts as f64).log10() * DECADE
}

/// From minutes to pixels.
struct Scale(f64);

impl Scale {
    fn x(&self, minute: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * minute / self.0
    }
}

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 100.0;
const PANEL: f64 = 225.0;
const BOTTOM: f64 = 40.0;
const ONE: f64 = 12.0;
const DECADE: f64 = 36.0;

const RULE: &str = "#8c959f44";
const AXIS: &str = "#8c959f";
const BAR: &str = "#5b7fb0";
const SOFT: &str = r#"class="soft""#;
