//! Markdown files: a heading is a question, the text below it the answer.
//!
//! A heading with nothing below it but deeper headings is a section: the entries in it get its title as a tag.
//! The answer is kept as it is written. What stands before the first heading is passed over, and so is front
//! matter.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{super::model::TAG, Parsed, Raw};

struct Heading<'a> {
    level: usize,
    title: String,
    /// From 1.
    line: usize,
    /// As it is written, without white space around it.
    body: &'a str,
}

pub(super) fn read(text: &str) -> Parsed {
    let (headings, before) = headings(text);
    let mut parsed = Parsed::default();
    if before {
        parsed.ignored.push("the text before the first heading".to_owned());
    }
    let mut sections: Vec<(usize, String)> = Vec::new();
    for (n, heading) in headings.iter().enumerate() {
        sections.retain(|(level, _)| *level < heading.level);
        let deeper = headings.get(n + 1).is_some_and(|next| next.level > heading.level);
        if heading.body.is_empty() && deeper {
            sections.push((heading.level, heading.title.chars().take(TAG).collect()));
            continue;
        }
        let tags: Vec<String> = sections.iter().map(|(_, title)| title.replace('|', "/")).collect();
        parsed.add(Raw {
            place: format!("lines[{}]", heading.line),
            question: heading.title.clone(),
            answer: heading.body.to_owned(),
            tags: Some(tags).filter(|tags| !tags.is_empty()),
            ..Raw::default()
        });
    }
    parsed
}

/// The headings of the document itself (not those of quotations and lists), and whether text comes before them.
fn headings(text: &str) -> (Vec<Heading<'_>>, bool) {
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut found: Vec<(Heading<'_>, usize)> = Vec::new();
    let (mut depth, mut open, mut before, mut meta) = (0_usize, None, false, false);
    let (mut line, mut counted) = (1, 0);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                let passed = text.get(counted..range.start).unwrap_or_default();
                line += passed.matches('\n').count();
                counted = range.start;
                if let Some((last, end)) = found.last_mut() {
                    last.body = text.get(*end..range.start).unwrap_or_default().trim();
                }
                open = Some(Heading { level: level as usize, title: String::new(), line, body: "" });
                depth += 1;
            }
            Event::End(TagEnd::Heading(_)) if depth == 1 && open.is_some() => {
                depth = 0;
                found.extend(open.take().map(|heading| (heading, range.end)));
            }
            Event::Start(tag) => {
                meta |= matches!(tag, Tag::MetadataBlock(_));
                before |= found.is_empty() && open.is_none() && !meta;
                depth += 1;
            }
            Event::End(tag) => {
                meta &= !matches!(tag, TagEnd::MetadataBlock(_));
                depth = depth.saturating_sub(1);
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut open {
                    heading.title.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut open {
                    heading.title.push(' ');
                }
            }
            _ => {}
        }
    }
    if let Some((last, end)) = found.last_mut() {
        last.body = text.get(*end..).unwrap_or_default().trim();
    }
    (found.into_iter().map(|(heading, _)| heading).collect(), before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_sections() {
        let text = "---\ntitle: x\n---\nPreamble\n\n# 售后\n\n## 如何 `退款`？\n\n在**订单**页。\n\n- a\n- b\n\n\
                    ## How long?\nTwo days.\n> # quoted\n\n# Shipping\n\n### Where | when\nHere\n\nSetext\n======\n\
                    ```\n# code\n```\n";
        let parsed = read(text);
        assert_eq!(parsed.errors.named.len(), 0, "{:?}", parsed.errors);
        assert_eq!(parsed.ignored, ["the text before the first heading"]);
        let rows: Vec<(&str, &str, &str, String)> = parsed
            .rows
            .iter()
            .map(|r| {
                let tags = r.patch.tags.clone().unwrap_or_default().join(",");
                (r.place.as_str(), r.question.as_str(), r.patch.answer.as_deref().unwrap(), tags)
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("lines[8]", "如何 退款？", "在**订单**页。\n\n- a\n- b", "售后".to_owned()),
                ("lines[15]", "How long?", "Two days.\n> # quoted", "售后".to_owned()),
                ("lines[21]", "Where | when", "Here", "Shipping".to_owned()),
                ("lines[24]", "Setext", "```\n# code\n```", String::new()),
            ]
        );
    }

    #[test]
    fn a_question_without_an_answer_is_named() {
        let parsed = read("# Only\n# Two\ntext\n## Three\n");
        let names: Vec<&str> = parsed.errors.named.keys().map(String::as_str).collect();
        assert_eq!(names, ["lines[1].answer", "lines[4].answer"]);
        assert!(read("").rows.is_empty() && read("just text").rows.is_empty());
    }
}
