//! Draws an hour of requests as an SVG.
#![allow(unreachable_pub, clippy::arithmetic_side_effects)]

use std::fmt::{self, Write};
use std::ops::Range;
use std::time::Duration;

use crate::svg::{rect, text};
use crate::timeline::{Answer, NOTICEABLE, Timeline};

/// The timelines, one below the other.
pub fn draw(
    timelines: &[&Timeline],
    span: Duration,
    outage: &Range<Duration>,
) -> Result<String, fmt::Error> {
    let mut svg = String::new();
    let height = TOP + PANEL * timelines.len() as f64 + BOTTOM;
    write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" "#
    )?;
    writeln!(
        svg,
        r#"font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="13">"#
    )?;
    let title = "An hour of requests, and four minutes of it without a token endpoint";
    writeln!(svg, "<title>{title}</title>")?;
    rect(&mut svg, (0.0, 0.0), (WIDTH, height), PAPER)?;
    text(
        &mut svg,
        (LEFT, 36.0),
        title,
        r#"font-size="20" font-weight="600""#,
    )?;
    legend(&mut svg)?;

    let scale = Scale(span);
    let (from, to) = (scale.x(outage.start), scale.x(outage.end));
    let depth = PANEL * timelines.len() as f64;
    rect(&mut svg, (from, TOP), (to - from, depth), SHADE)?;
    let label = r##"font-size="12" fill="#8a5a00" text-anchor="middle""##;
    text(
        &mut svg,
        ((from + to) / 2.0, TOP - 6.0),
        "token endpoint down",
        label,
    )?;
    for (n, timeline) in timelines.iter().enumerate() {
        panel(&mut svg, timeline, &scale, TOP + PANEL * n as f64)?;
    }
    for minute in (0..=span.as_secs() / 60).step_by(5) {
        let x = scale.x(Duration::from_secs(minute * 60));
        let style = r##"text-anchor="middle" fill="#6b7280""##;
        let unit = if minute == 0 { " min" } else { "" };
        text(
            &mut svg,
            (x, TOP + depth + 22.0),
            &format!("{minute}{unit}"),
            style,
        )?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn legend(svg: &mut String) -> fmt::Result {
    let style = r##"fill="#374151""##;
    for (x, color, label) in [
        (0.0, OK, "answered at once"),
        (155.0, WAITED, "waited for a token"),
        (325.0, FAILED, "failed"),
    ] {
        rect(svg, (LEFT + x, 53.0), (12.0, 12.0), color)?;
        text(svg, (LEFT + x + 18.0, 64.0), label, style)?;
    }
    for (x, ok, label) in [
        (-257.0, true, "token fetched"),
        (-117.0, false, "exchange failed"),
    ] {
        mark(svg, (WIDTH - RIGHT + x, 59.0), ok)?;
        text(svg, (WIDTH - RIGHT + x + 12.0, 64.0), label, style)?;
    }
    Ok(())
}

fn panel(svg: &mut String, timeline: &Timeline, scale: &Scale, top: f64) -> fmt::Result {
    let bold = r#"font-size="15" font-weight="600""#;
    text(svg, (LEFT, top + 26.0), timeline.name, bold)?;
    let end = r##"text-anchor="end" fill="#374151""##;
    text(svg, (WIDTH - RIGHT, top + 26.0), &timeline.summary(), end)?;
    let rows = [
        (70.0, "requests"),
        (139.0, "longest wait"),
        (185.0, "token"),
        (213.0, "exchanges"),
    ];
    for (y, label) in rows {
        let style = r##"text-anchor="end" fill="#6b7280""##;
        text(svg, (LEFT - 12.0, top + y), label, style)?;
    }
    requests(svg, timeline, scale, top + 40.0)?;
    waits(svg, timeline, scale, top + 156.0)?;
    tokens(svg, timeline, scale, top + 170.0)?;
    exchanges(svg, timeline, scale, top + 209.0)
}

/// For each time slot: how many requests were answered at once, waited, failed.
fn requests(svg: &mut String, timeline: &Timeline, scale: &Scale, top: f64) -> fmt::Result {
    rect(svg, (LEFT, top), (WIDTH - LEFT - RIGHT, ROW), OK)?;
    for slot in scale.slots() {
        let within: Vec<_> = timeline.within(&slot).collect();
        let mut y = top;
        for (color, ok) in [(FAILED, false), (WAITED, true)] {
            let those = |answer: &&&Answer| answer.ok == ok && answer.wait > NOTICEABLE;
            let count = within.iter().filter(those).count();
            if count > 0 {
                let height = ROW * count as f64 / within.len() as f64;
                rect(
                    svg,
                    (scale.x(slot.start), y),
                    (scale.width(), height),
                    color,
                )?;
                y += height;
            }
        }
    }
    Ok(())
}

/// The longest wait of each time slot, up to two minutes. The scale is
/// logarithmic, so that a fraction of a second shows, too.
fn waits(svg: &mut String, timeline: &Timeline, scale: &Scale, bottom: f64) -> fmt::Result {
    rect(svg, (LEFT, bottom), (WIDTH - LEFT - RIGHT, 1.0), RULE)?;
    let height = |wait: f64| WAIT_ROW * (1.0 + wait * 10.0).ln() / (1.0 + 1200.0_f64).ln();
    for slot in scale.slots() {
        let Some(longest) = timeline.within(&slot).max_by_key(|answer| answer.wait) else {
            continue;
        };
        if longest.wait > NOTICEABLE {
            let color = if longest.ok { WAITED } else { FAILED };
            let height = height(longest.wait.as_secs_f64());
            let at = (scale.x(slot.start), bottom - height);
            rect(svg, at, (scale.width().max(2.0), height), color)?;
        }
    }
    let Some(longest) = timeline.answers.iter().max_by_key(|answer| answer.wait) else {
        return Ok(());
    };
    let seconds = longest.wait.as_secs_f64();
    let label = if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    };
    let x = scale.x(longest.at).max(LEFT + 20.0);
    let at = (x, bottom - height(seconds) - 5.0);
    let style = r##"font-size="12" fill="#374151" text-anchor="middle""##;
    text(svg, at, &label, style)
}

fn tokens(svg: &mut String, timeline: &Timeline, scale: &Scale, top: f64) -> fmt::Result {
    let colors = TOKENS.iter().cycle();
    for ((n, (_, uses)), color) in timeline.tokens.iter().enumerate().zip(colors) {
        let (from, to) = (scale.x(uses.start), scale.x(uses.end));
        rect(svg, (from, top), (to - from - 1.0, 20.0), color)?;
        let style = r##"text-anchor="middle" fill="#ffffff" font-size="12""##;
        let at = ((from + to) / 2.0, top + 14.0);
        text(svg, at, &format!("token {}", n + 1), style)?;
    }
    Ok(())
}

fn exchanges(svg: &mut String, timeline: &Timeline, scale: &Scale, y: f64) -> fmt::Result {
    for (at, ok) in &timeline.exchanges {
        mark(svg, (scale.x(*at), y), *ok)?;
    }
    Ok(())
}

/// A dot for a token that was fetched, a cross for one that was not.
fn mark(svg: &mut String, (x, y): (f64, f64), ok: bool) -> fmt::Result {
    if ok {
        writeln!(svg, r#"<circle cx="{x:.1}" cy="{y}" r="4.5" fill="{OK}"/>"#)
    } else {
        let (x, y) = (x - 3.5, y - 3.5);
        write!(svg, r#"<path d="M{x:.1} {y}l7 7m0-7l-7 7" "#)?;
        writeln!(svg, r#"stroke="{FAILED}" stroke-width="1.6"/>"#)
    }
}

/// From time to pixels.
struct Scale(Duration);

impl Scale {
    fn x(&self, at: Duration) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * at.as_secs_f64() / self.0.as_secs_f64()
    }

    fn slots(&self) -> impl Iterator<Item = Range<Duration>> + use<> {
        let starts = (0..self.0.as_secs()).step_by(SLOT.as_secs() as usize);
        starts
            .map(Duration::from_secs)
            .map(|start| start..start + SLOT)
    }

    fn width(&self) -> f64 {
        self.x(SLOT) - LEFT
    }
}

const SLOT: Duration = Duration::from_secs(10);

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 100.0;
const PANEL: f64 = 245.0;
const BOTTOM: f64 = 40.0;
const ROW: f64 = 52.0;
const WAIT_ROW: f64 = 46.0;

const PAPER: &str = "#ffffff";
const SHADE: &str = "#fdf0d5";
const RULE: &str = "#d1d5db";
const OK: &str = "#2a9d8f";
const WAITED: &str = "#e9a820";
const FAILED: &str = "#c8384b";
const TOKENS: [&str; 2] = ["#3d5a80", "#6c8ebf"];
