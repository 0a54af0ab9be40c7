use anyhow::{Context as _, anyhow};
use millstream_json_codec::Document;
use millstream_rhai_functions::ScriptFunction;

/// One case: statements, what is put in, and what must come out.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) area: String,
    pub(crate) statements: Vec<String>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) topics: Vec<Document>,
    pub(crate) inputs: Vec<Record>,
    pub(crate) outputs: Vec<Record>,
    /// Where the last statement must be refused, or a query must fail: what is said about it.
    pub(crate) expected_error: Option<Document>,
    /// The sources that must be known at the end.
    pub(crate) sources: Vec<Document>,
    /// What its statements can call beside the standard functions.
    pub(crate) functions: Vec<ScriptFunction>,
}

/// A record as a case writes it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) key: Document,
    pub(crate) value: Document,
    /// `None` where any will do.
    pub(crate) timestamp: Option<i64>,
    /// Names, and values in base64 or none.
    pub(crate) headers: Vec<(String, Option<String>)>,
    pub(crate) window: Option<Window>,
}

/// The window that a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) is_session: bool,
}

fn text(of: &Document, name: &str) -> anyhow::Result<String> {
    let text = of.get(name).and_then(Document::as_text).map(str::to_owned);
    text.with_context(|| format!("it has no text '{name}'"))
}

impl Case {
    pub(crate) fn of(document: &Document) -> anyhow::Result<Self> {
        let list = |name: &str| document.get(name).map_or(&[][..], Document::elements);
        let statement = |each: &Document| each.as_text().map(str::to_owned).ok_or_else(|| anyhow!("no text"));
        let records = |name: &str| list(name).iter().map(Record::of).collect::<anyhow::Result<Vec<_>>>();
        let properties = document.get("properties").map_or(&[][..], Document::entries);
        let property = |(name, value): &(String, Document)| {
            (name.clone(), value.as_text().map_or_else(|| value.to_string(), str::to_owned))
        };
        let post = document.get("post").and_then(|post| post.get("sources"));
        Ok(Self {
            id: text(document, "id")?,
            area: text(document, "area").unwrap_or_default(),
            statements: list("statements").iter().map(statement).collect::<Result<_, _>>()?,
            properties: properties.iter().map(property).collect(),
            topics: list("topics").to_vec(),
            inputs: records("inputs")?,
            outputs: records("outputs")?,
            expected_error: document.get("expected_error").filter(|error| !error.is_null()).cloned(),
            sources: post.map_or(&[][..], Document::elements).to_vec(),
            functions: Vec::new(),
        })
    }
}

impl Case {
    /// An example beside a rule file, whose statements are the file's.
    pub(crate) fn example(id: String, statements: Vec<String>, document: &Document) -> anyhow::Result<Self> {
        let list = |name: &str| document.get(name).map_or(&[][..], Document::elements);
        let records = |name: &str| list(name).iter().map(Record::of).collect::<anyhow::Result<Vec<_>>>();
        Ok(Self {
            id,
            area: String::new(),
            statements,
            properties: Vec::new(),
            topics: list("topics").to_vec(),
            inputs: records("inputs")?,
            outputs: records("outputs")?,
            expected_error: None,
            sources: list("sources").to_vec(),
            functions: Vec::new(),
        })
    }
}

impl Record {
    fn of(document: &Document) -> anyhow::Result<Self> {
        let or_null = |name: &str| document.get(name).cloned().unwrap_or(Document::Null);
        let headers = document.get("headers").map_or(&[][..], Document::elements);
        let header = |pair: &Document| match pair.elements() {
            [Document::Text(name), value] => Ok((name.clone(), value.as_text().map(str::to_owned))),
            _ => Err(anyhow!("a header is no pair")),
        };
        Ok(Self {
            topic: text(document, "topic")?,
            key: or_null("key"),
            value: or_null("value"),
            timestamp: document.get("timestamp").and_then(Document::as_whole),
            headers: headers.iter().map(header).collect::<Result<_, _>>()?,
            window: document.get("window").filter(|window| !window.is_null()).and_then(Window::of),
        })
    }
}

impl Window {
    fn of(document: &Document) -> Option<Self> {
        let whole = |name: &str| document.get(name).and_then(Document::as_whole);
        let kind = document.get("type").and_then(Document::as_text);
        let is_session = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("session"));
        Some(Self { start: whole("start")?, end: whole("end")?, is_session })
    }
}
