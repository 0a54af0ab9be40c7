use anyhow::{anyhow, bail};
use millstream_json_codec::Document;
use yaml_rust2::{Yaml, YamlLoader};

/// A YAML text as the JSON document of the same meaning; numbers keep how they were written.
pub(super) fn document(text: &str) -> anyhow::Result<Document> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| anyhow!("not YAML: {error}"))?;
    match documents.as_slice() {
        [only] => converted(only),
        _ => bail!("it holds {} documents, not one", documents.len()),
    }
}

fn converted(yaml: &Yaml) -> anyhow::Result<Document> {
    Ok(match yaml {
        Yaml::Null => Document::Null,
        Yaml::Boolean(value) => Document::Boolean(*value),
        Yaml::Integer(number) => Document::Number(number.to_string()),
        Yaml::Real(digits) => Document::Number(digits.clone()),
        Yaml::String(text) => Document::Text(text.clone()),
        Yaml::Array(elements) => Document::Array(elements.iter().map(converted).collect::<Result<_, _>>()?),
        Yaml::Hash(entries) => {
            let entry = |(name, of): (&Yaml, &Yaml)| Ok((named(name)?, converted(of)?));
            Document::Object(entries.iter().map(entry).collect::<anyhow::Result<_>>()?)
        }
        Yaml::Alias(_) | Yaml::BadValue => bail!("it holds something that is no value"),
    })
}

fn named(yaml: &Yaml) -> anyhow::Result<String> {
    match converted(yaml)? {
        Document::Text(text) => Ok(text),
        Document::Number(digits) => Ok(digits),
        other => bail!("{other} is no name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_how_they_were_written() {
        let read = document("a: 1.20\nb: [x, 7, null, true]\n1: {c: '2'}").unwrap();
        assert_eq!(read.to_string(), r#"{"a":1.20,"b":["x",7,null,true],"1":{"c":"2"}}"#);
        assert!(document("a: [").unwrap_err().to_string().contains("not YAML"));
    }
}
