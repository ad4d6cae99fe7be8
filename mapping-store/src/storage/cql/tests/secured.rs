//! Passwords, rights and TLS.

use std::fs;

use cassandra_fixture::{Options, Place, Tls};
use service::ClientTlsConfig;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_asks_for_certificates_and_passwords() {
    if cassandra_fixture::is_skipped("Apache Cassandra with TLS and passwords") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: String| {
        fs::write(folder.path().join(name), contents).unwrap();
        folder.path().join(name)
    };
    let place = Place::free(1);
    let new_ca = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        (certificate, rcgen::Issuer::new(params, key))
    };
    let (ca, issuer) = new_ca();
    let leaf = |name: String| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![name]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let (node, node_key) = leaf(place.addresses()[0].to_string());
    let (ours, our_key) = leaf("store.example".to_owned());
    let ca_file = file("ca.pem", ca.clone());
    let identity = file("node.pem", format!("{node_key}{node}{ca}"));
    let tls = Some(Tls { identities: vec![identity], client_ca: Some(ca_file.clone()) });
    let options = Options { passwords: true, tls, ..Options::default() };
    let cluster = tokio::task::spawn_blocking(move || Nodes::start_at(&place, &options)).await.unwrap();

    let right = ClusterConfig {
        username: Some("cassandra".to_owned()),
        password_file: Some(file("password", "cassandra\n".to_owned())),
        tls: Some(ClientTlsConfig {
            ca: Some(ca_file),
            certificate: Some(file("ours.pem", ours)),
            key: Some(file("our-key.pem", our_key)),
        }),
        ..patient(ClusterConfig::of(cluster.contact_points(), "secured"))
    };
    let schema = SchemaConfig { replication: 1, buckets: BUCKETS };
    Cql::create_schema(&right, &schema).await.unwrap();
    let cql = Cql::connect(&right).await.unwrap();
    cql.update(vec![update(1, 0, b"secured")]).await.unwrap();
    assert_eq!(read(&cql, 1).await.unwrap().1, b"secured");

    a_role_without_rights_is_told_so(&right, file).await;

    let tls = right.tls.clone().unwrap();
    let with_tls = |tls| ClusterConfig { tls: Some(tls), ..right.clone() };
    let password = Some(file("wrong", "wrong".to_owned()));
    for wrong in [
        ClusterConfig { tls: None, ..right.clone() },
        ClusterConfig { password_file: password, ..right.clone() },
        ClusterConfig { username: None, password_file: None, ..right.clone() },
        with_tls(ClientTlsConfig { ca: Some(file("other-ca.pem", new_ca().0)), ..tls.clone() }),
        with_tls(ClientTlsConfig { certificate: None, key: None, ..tls }),
    ] {
        let wrong = ClusterConfig { connect_timeout_ms: 2000, ..wrong };
        assert!(matches!(Cql::connect(&wrong).await, Err(StorageError::Failed(_))));
    }
}

/// What may not be read is neither missing nor unused.
async fn a_role_without_rights_is_told_so(right: &ClusterConfig, file: impl Fn(&str, String) -> std::path::PathBuf) {
    let owner = Cluster::open(right).await.unwrap();
    let role = async |name: &str, rights: &[&str]| {
        let create = format!("CREATE ROLE {name} WITH PASSWORD = '{name}' AND LOGIN = true");
        let grants = rights.iter().map(|right| format!("GRANT {right} TO {name}"));
        for statement in std::iter::once(create).chain(grants) {
            owner.session().query_unpaged(statement, ()).await.unwrap();
        }
        let password_file = Some(file(name, name.to_owned()));
        ClusterConfig { username: Some(name.to_owned()), password_file, ..right.clone() }
    };
    let denied = |outcome: Result<Cql, StorageError>| {
        let error = outcome.err().unwrap().to_string();
        assert!(error.contains("right to perform"), "{error}");
    };
    denied(Cql::connect(&role("stranger", &[]).await).await);
    let about = ["SELECT ON secured.about", "MODIFY ON secured.about"];
    denied(Cql::connect_to_move(&role("mover", &about).await).await);
    // No move was begun.
    Cql::connect(right).await.unwrap();
}
