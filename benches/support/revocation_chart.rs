//! Draws what becomes of callers when the token is revoked.
#![allow(
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use std::fmt::{self, Write};
use std::time::Duration;

use crate::callers::{Callers, Fate};
use crate::svg::{open, rect, text, text_on_line};

/// The stacks, one below the other.
pub fn draw(all: &[Callers], span: Duration, revoked: Duration) -> Result<String, fmt::Error> {
    let mut svg = String::new();
    let bottom = TOP + PANEL * all.len() as f64;
    open(&mut svg, (WIDTH, bottom + 34.0), TITLE, &description(all))?;
    text(
        &mut svg,
        (LEFT, 34.0),
        TITLE,
        r#"class="ink" font-size="19" font-weight="600""#,
    )?;
    legend(&mut svg)?;

    let x = |at: Duration| LEFT + (WIDTH - LEFT - RIGHT) * at.as_secs_f64() / span.as_secs_f64();
    let at = x(revoked);
    write!(
        svg,
        r#"<line x1="{at:.1}" y1="{:.1}" x2="{at:.1}" "#,
        TOP - 4.0
    )?;
    writeln!(
        svg,
        r#"y2="{bottom:.1}" class="line" stroke-dasharray="3 3"/>"#
    )?;
    let label = r#"class="ink" font-size="12" text-anchor="middle""#;
    text(&mut svg, (at, TOP - 10.0), "revoked", label)?;
    for (n, callers) in all.iter().enumerate() {
        let top = TOP + PANEL * n as f64;
        let bold = r#"font-size="15" font-weight="600""#;
        text_on_line(&mut svg, (LEFT, top + 18.0), callers.name, bold)?;
        let end = r#"class="ink" text-anchor="end""#;
        text(
            &mut svg,
            (WIDTH - RIGHT, top + 18.0),
            &callers.summary(),
            end,
        )?;
        requests(&mut svg, callers, x, top + 28.0)?;
        for at in &callers.exchanges {
            let (x, y) = (x(*at), top + 28.0 + ROW + 8.0);
            writeln!(
                svg,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{EXCHANGE}"/>"#
            )?;
        }
    }
    for second in 0..=span.as_secs() {
        let after = second as i64 - revoked.as_secs() as i64;
        let unit = if after == 0 { " s" } else { "" };
        let at = (x(Duration::from_secs(second)), bottom + 18.0);
        let style = r#"class="soft" text-anchor="middle""#;
        text(&mut svg, at, &format!("{after}{unit}"), style)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn legend(svg: &mut String) -> fmt::Result {
    for (x, color, label) in [
        (0.0, AT_ONCE, "answered at once"),
        (150.0, WAITED, "answered after a wait"),
        (340.0, SAW_401, "saw a 401"),
    ] {
        rect(svg, (LEFT + x, 51.0), (12.0, 12.0), color)?;
        text(svg, (LEFT + x + 18.0, 62.0), label, r#"class="ink""#)?;
    }
    let x = LEFT + 470.0;
    writeln!(svg, r#"<circle cx="{x}" cy="57" r="4" fill="{EXCHANGE}"/>"#)?;
    text(svg, (x + 12.0, 62.0), "exchange begins", r#"class="ink""#)
}

/// For each time slot, what became of those who sent their request in it.
fn requests(
    svg: &mut String,
    callers: &Callers,
    x: impl Fn(Duration) -> f64,
    top: f64,
) -> fmt::Result {
    let slots = shares(callers);
    let mut start = Duration::ZERO;
    // Slots that look the same are one.
    for same in slots.chunk_by(|one, next| one == next) {
        let end = start + SLOT * same.len() as u32;
        let mut y = top;
        for ((_, color), share) in FATES.iter().zip(same[0]) {
            let height = ROW * share;
            if share > 0.0 {
                rect(svg, (x(start), y), (x(end) - x(start), height), color)?;
            }
            y += height;
        }
        start = end;
    }
    Ok(())
}

/// The share of each fate in each time slot.
fn shares(callers: &Callers) -> Vec<[f64; 3]> {
    let last = callers.all.iter().map(|caller| caller.at).max();
    let starts = (0..).map(|n| SLOT * n);
    let slots = starts.take_while(|start| Some(*start) <= last);
    let share = |start: Duration| {
        let within: Vec<_> = callers.within(&(start..start + SLOT)).collect();
        FATES.map(|(fate, _)| {
            let count = within.iter().filter(|caller| caller.fate == fate).count();
            count as f64 / within.len().max(1) as f64
        })
    };
    slots.map(share).collect()
}

/// The picture in words.
fn description(all: &[Callers]) -> String {
    let each = |callers: &Callers| format!("{}: {}.", callers.name, callers.summary());
    let each: Vec<String> = all.iter().map(each).collect();
    each.join(" ")
}

const TITLE: &str = "A token is revoked: who notices?";

const SLOT: Duration = Duration::from_millis(50);

const WIDTH: f64 = 900.0;
const LEFT: f64 = 24.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 100.0;
const PANEL: f64 = 88.0;
const ROW: f64 = 34.0;

const AT_ONCE: &str = "#2a9d8f";
const WAITED: &str = "#e9a820";
const SAW_401: &str = "#c8384b";
const EXCHANGE: &str = "#5b7fb0";

const FATES: [(Fate, &str); 3] = [
    (Fate::Saw401, SAW_401),
    (Fate::Waited, WAITED),
    (Fate::AnsweredAtOnce, AT_ONCE),
];
