//! Cassandra's jars: from Maven Central, by Maven, kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const VERSION: &str = "5.0.6";
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>cassandra-fixture</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>VERSION</version></dependency>
  </dependencies>
</project>
"#;
fn kept() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/mimi-discovery/cassandra").join(VERSION)
}

/// Java 17: Cassandra 5.0 takes 11 and 17, and no later one.
pub(crate) fn java() -> Option<PathBuf> {
    let from_home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let homes = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let installed = homes.map(|home| home.path().join("bin/java"));
    from_home.into_iter().chain([PathBuf::from("java")]).chain(installed).find(|java| is_java_17(java))
}

fn is_java_17(java: &Path) -> bool {
    let version = Command::new(java).arg("-version").stdin(Stdio::null()).output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("version \"17."))
}

/// What is missing to start a node, if anything is.
pub(crate) fn missing() -> Option<String> {
    if java().is_none() {
        return Some("Java 17 (Debian: openjdk-17-jre-headless)".to_owned());
    }
    let there = kept().join("complete").exists() || Command::new("mvn").arg("-v").output().is_ok();
    (!there).then(|| "Maven (Debian: maven), by which Cassandra's jars come".to_owned())
}

/// The folder of the jars; they are fetched if they are not there.
pub(crate) fn folder() -> PathBuf {
    let kept = kept();
    if !kept.join("complete").exists() {
        fetch(&kept);
    }
    kept
}

fn fetch(kept: &Path) {
    let parent = kept.parent().expect("the folder of a version has a parent");
    std::fs::create_dir_all(parent).expect("the folder of the jars can be made");
    let place = tempfile::Builder::new().prefix("fetching-").tempdir_in(parent).expect("a folder can be made in it");
    let pom = place.path().join("pom.xml");
    std::fs::write(&pom, POM.replace("VERSION", VERSION)).expect("a file can be written there");
    let jars = place.path().join("jars");
    let fetched = Command::new("mvn")
        .args(["-q", "-B", "-C", "-f"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .stdin(Stdio::null())
        .output()
        .expect("Maven can be started");
    assert!(fetched.status.success(), "Maven: {}", String::from_utf8_lossy(&fetched.stdout));
    std::fs::write(jars.join("complete"), VERSION).expect("a file can be written there");
    // Another process may have been first.
    if std::fs::rename(&jars, kept).is_err() {
        assert!(kept.join("complete").exists(), "the folder of the jars is there and not complete: {}", kept.display());
    }
}

/// The agent that measures objects, which Cassandra asks for.
pub(crate) fn agent(jars: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(jars).ok()?.flatten().map(|entry| entry.path());
    names.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jamm-")))
}

/// All jars, as a class path.
pub(crate) fn class_path(jars: &Path) -> String {
    format!("{}/*", jars.display())
}
