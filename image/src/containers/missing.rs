//! `--missing`: what a registry has, and so need not be built.

use std::path::Path;

use anyhow::Result;

use super::{
    engine::{Engine, platform_of, platforms_in, says_missing},
    services::{Name, Platform},
};
use crate::{
    call::output_of,
    report::{Row, Said},
};

/// What the registry answered for one name.
pub(super) struct Answer {
    name: Name,
    /// The image's full name.
    reference: String,
    found: Found,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    /// For every platform.
    There,
    /// Not at all, or not for every platform.
    Missing(String),
    /// It could not be asked.
    Unknown(String),
}

/// Asks the registry for one name.
pub(super) fn ask(engine: Engine, name: Name, reference: String, platforms: &[Platform]) -> Answer {
    let asked = |call| output_of(&call, Path::new("."));
    let found = judge(asked(engine.inspect(&reference)), platforms, || {
        asked(engine.configuration(&reference))
    });
    Answer { name, reference, found }
}

/// What an answer means; `configuration` asks for that of an image without an index.
fn judge(
    answer: Result<Vec<u8>>,
    platforms: &[Platform],
    configuration: impl FnOnce() -> Result<Vec<u8>>,
) -> Found {
    match answer {
        Ok(index) => {
            let mut there = platforms_in(&index);
            if there.is_empty() {
                match configuration() {
                    Ok(configuration) => there.extend(platform_of(&configuration)),
                    Err(error) => {
                        return Found::Unknown(format!("the registry cannot be asked: {error:#}"));
                    }
                }
            }
            let lacks = |platform: &&Platform| !there.contains(&platform.to_string());
            match platforms.iter().find(lacks) {
                Some(platform) => Found::Missing(format!("the registry has none for {platform}")),
                None => Found::There,
            }
        }
        Err(error) if says_missing(&error.to_string()) => {
            Found::Missing("the registry does not have it".to_owned())
        }
        Err(error) => Found::Unknown(format!("the registry cannot be asked: {error:#}")),
    }
}

impl Answer {
    pub(super) fn name(&self) -> Name {
        self.name
    }

    /// Whether it is to be built.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.found, Found::Missing(_))
    }

    fn step(&self) -> String {
        format!("look for {}", self.name)
    }

    /// Its row in the table; of what is missing there are other rows.
    pub(super) fn row(&self) -> Option<Row> {
        let said = match &self.found {
            Found::There => Said::Same("the registry has it".to_owned()),
            Found::Unknown(why) => Said::Failed(why.clone()),
            Found::Missing(_) => return None,
        };
        let (step, name) = (self.step(), Some(self.reference.clone()));
        Some(Row { step, name, seconds: 0.0, said })
    }

    /// What was asked and answered, for `--dry-run`.
    pub(super) fn shown(&self, engine: Engine) -> (String, Vec<String>) {
        let answer = match &self.found {
            Found::There => "the registry has it: nothing would be done".to_owned(),
            Found::Missing(what) => format!("{what}: it would be built"),
            Found::Unknown(why) => format!("FAILED: {why}"),
        };
        (self.step(), vec![engine.inspect(&self.reference).to_string(), answer])
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const BOTH: &str = r#"{"manifests":[{"platform":{"architecture":"amd64","os":"linux"}},
        {"platform":{"architecture":"arm64","os":"linux"}}]}"#;
    const ONE: &str = r#"{"manifests":[{"platform":{"architecture":"amd64","os":"linux"}}]}"#;

    #[test]
    fn what_is_there_is_told_from_what_is_missing_and_what_is_not_known() {
        let check = |answer: Result<&str, &str>,
                     platforms: &[Platform],
                     word: &str,
                     built: bool,
                     row: bool| {
            let answer =
                answer.map(|index| index.as_bytes().to_vec()).map_err(|why| anyhow!("{why}"));
            let name = Name::all()[0];
            let found =
                judge(answer, platforms, || Ok(br#"{"os":"linux","architecture":"amd64"}"#.into()));
            let answer = Answer { name, reference: "r.example/x:1".to_owned(), found };
            let (step, lines) = answer.shown(Engine::Buildah);
            assert_eq!(step, format!("look for {name}"));
            assert_eq!(lines[0], "skopeo inspect --raw docker://r.example/x:1");
            assert!(lines[1].contains(word), "{lines:?}");
            assert_eq!((answer.is_missing(), answer.row().is_some()), (built, row), "{lines:?}");
        };
        check(Ok(BOTH), &Platform::ALL, "the registry has it", false, true);
        check(Ok(ONE), &Platform::ALL, "none for linux/arm64: it would be built", true, false);
        check(Ok(ONE), &[Platform::Amd64], "the registry has it", false, true);
        let alone = r#"{"config":{"digest":"sha256:0"},"layers":[]}"#;
        check(Ok(alone), &[Platform::Amd64], "the registry has it", false, true);
        check(Ok(alone), &Platform::ALL, "none for linux/arm64: it would be built", true, false);
        let unasked = judge(Ok(alone.into()), &Platform::ALL, || Err(anyhow!("no route")));
        assert_eq!(unasked, Found::Unknown("the registry cannot be asked: no route".to_owned()));
        check(
            Err("x: manifest unknown"),
            &Platform::ALL,
            "does not have it: it would",
            true,
            false,
        );
        check(
            Err("connection refused"),
            &Platform::ALL,
            "FAILED: the registry cannot be asked: connection",
            false,
            true,
        );
    }
}
