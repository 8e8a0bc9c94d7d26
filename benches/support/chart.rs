//! The hot path's ratios as a picture.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use std::fmt::Write;

/// Groups of bars: a title, and each bar's name and ratio.
pub fn draw(groups: &[(&str, Vec<(&str, f64)>)]) -> String {
    let height = TOP + groups.len() as f64 * GROUP + 30.0;
    let longest = groups.iter().flat_map(|(_, bars)| bars);
    let longest = longest.map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - LABEL) / longest;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' \
         font-family='sans-serif' font-size='13' fill='#222'>\n\
         <rect width='100%' height='100%' fill='#fff'/>\n\
         <text x='16' y='28' font-size='17' font-weight='bold'>\
         What a request pays for its token, while that is fresh</text>\n\
         <text x='16' y='48' fill='#555'>Time added, in units of what a fixed header \
         costs (tower_http::set_header = 1). Shorter is better.</text>\n"
    );
    for (index, (title, bars)) in groups.iter().enumerate() {
        let y = TOP + index as f64 * GROUP;
        let middle = y + 36.0;
        let _ = writeln!(svg, "<text x='16' y='{middle}'>{title}</text>");
        for (index, (name, ratio)) in bars.iter().enumerate() {
            let (y, width) = (y + 8.0 + index as f64 * BAR, ratio * scale);
            let (color, weight) = COLORS[index % COLORS.len()];
            let (text_x, text_y, bar) = (LEFT + width + 6.0, y + 12.0, BAR - 3.0);
            let _ = writeln!(
                svg,
                "<rect x='{LEFT}' y='{y}' width='{width:.1}' height='{bar}' fill='{color}'/>\
                 <text x='{text_x:.1}' y='{text_y}' font-size='12' font-weight='{weight}'>\
                 {ratio:.2} {name}</text>"
            );
        }
    }
    // Through all groups: a fixed header.
    let (one, bottom) = (LEFT + scale, height - 24.0);
    let _ = writeln!(
        svg,
        "<line x1='{one:.1}' y1='{TOP}' x2='{one:.1}' y2='{bottom}' stroke='#222' \
         stroke-dasharray='3 3'/>\n</svg>"
    );
    svg
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 230.0;
const TOP: f64 = 62.0;
/// Room for a name to the right of the longest bar.
const LABEL: f64 = 170.0;
const GROUP: f64 = 64.0;
const BAR: f64 = 17.0;
const COLORS: [(&str, &str); 3] = [
    ("#9aa5b1", "normal"),
    ("#1f77b4", "bold"),
    ("#d98880", "normal"),
];
