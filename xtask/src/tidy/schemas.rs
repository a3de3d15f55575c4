//! No two types of the API have one name: in the OpenAPI document one would silently stand for the other.

use std::collections::BTreeMap;

use super::{Finding, files::Source, lex::Kind};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut findings = Vec::new();
    for source in sources {
        for (line, name) in schemas(source) {
            let here = format!("{}:{line}", source.path);
            if let Some(other) = first.get(&name) {
                let what = format!(
                    "the schema {name} is also at {other}; in the OpenAPI document one would stand for the other: \
                     rename one, or give it another name there with #[schema(as = …)]"
                );
                findings.push(Finding::new(&source.path, line, what));
            } else {
                first.insert(name, here);
            }
        }
    }
    findings
}

/// The types that become schemas: what derives `ToSchema`, and what `text_enum!` makes.
fn schemas(source: &Source) -> Vec<(usize, String)> {
    let product = source.product();
    let code = product.iter().filter(|piece| piece.kind == Kind::Code);
    let mut found = Vec::new();
    // Whether a derive is being read, whether the next type is a schema, and what it is called there.
    let (mut derive, mut next, mut alias) = (false, false, None);
    for (line, text) in code.flat_map(|piece| piece.lines()) {
        let text = text.trim();
        if text.contains("text_enum! {") {
            next = true;
            continue;
        }
        derive |= text.starts_with("#[derive(");
        if derive {
            next |= text.contains("ToSchema");
            derive = !text.contains(")]");
            continue;
        }
        if !next {
            continue;
        }
        if let Some((_, rest)) = text.split_once("schema(as = ") {
            alias = rest.split([')', ',']).next().map(str::to_owned);
        }
        if let Some(name) = name(text) {
            found.push((line, alias.take().unwrap_or(name)));
            next = false;
        }
    }
    found
}

/// `pub(crate) struct Name {`, `enum Name`, or the `Name {` of a `text_enum!`.
fn name(text: &str) -> Option<String> {
    if text.starts_with('#') {
        return None;
    }
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    words.find(|word| word.starts_with(char::is_uppercase)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    #[test]
    fn one_name_for_two_schemas() {
        let sources = [
            source(
                "crates/a/src/x.rs",
                "#[derive(Debug, ToSchema)]\npub struct Status { a: Inner }\n#[derive(Debug)]\nstruct Event;\n",
            ),
            source(
                "crates/b/src/x.rs",
                "text_enum! {\n    /// Which.\n    Status {\n        Open = \"open\",\n    }\n}\n\
                 #[derive(\n    ToSchema,\n)]\n#[schema(as = Other)]\npub(super) struct Status(u8);\n\
                 #[derive(ToSchema)]\nenum Event { A }\n",
            ),
        ];
        let found: Vec<_> = check(&sources).into_iter().map(|f| (f.path, f.line)).collect();
        assert_eq!(found, [("crates/b/src/x.rs".to_owned(), 3)]);
    }
}
