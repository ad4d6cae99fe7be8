//! The configuration files of the four.

use std::path::PathBuf;

use super::{GATEWAY, ISSUER, PROVER, PROVIDER, Party, RELAY, System, Who};

impl System {
    pub(super) fn config(&self, who: Who) -> PathBuf {
        self.path(&format!("{}.toml", who.binary()))
    }

    /// The listener's table, the administration's, and those of `rest`.
    fn write_configuration(&self, who: Who, certificates: &str, before: &str, rest: &str) {
        let (folder, name) = (self.folder.path().display(), who.binary());
        let Party { address, admin, .. } = &self.parties[who as usize];
        let client_ca = if certificates == "none" { String::new() } else { format!("client_ca = '{folder}/ca.pem'\n") };
        let text = format!(
            "{before}[listener]\naddress = '{address}'\n[listener.tls]\ncertificate = '{folder}/{name}.pem'\n\
             key = '{folder}/{name}.key'\n{client_ca}client_certificates = '{certificates}'\n\
             [admin]\naddress = '{admin}'\n{rest}"
        );
        std::fs::write(self.config(who), text).unwrap();
    }

    pub(super) fn write_configurations(&self) {
        let folder = self.folder.path().display();
        let client = |table: &str, name: &str| {
            format!(
                "[{table}]\nca = '{folder}/ca.pem'\ncertificate = '{folder}/{name}.pem'\nkey = '{folder}/{name}.key'\n"
            )
        };
        let much = "{ count = 1000000, seconds = 1 }";
        self.write_configuration(
            Who::Relay,
            "none",
            "",
            &format!(
                "[[route]]\npath = '/'\ngateway = '{}/.well-known/ohttp-gateway'\n{}\
                 [limits]\n{}\n\
                 [exchange]\nfirst_byte_timeout_ms = {patience}\nbody_timeout_ms = {patience}\n",
                self.url(1),
                client("route.tls", "relay-client"),
                self.settings.relay_limits,
                patience = self.settings.patience_ms + 1000
            ),
        );
        self.write_configuration(
            Who::Gateway,
            "required",
            "",
            &format!(
                "[relays]\nnames = ['{RELAY}']\n[keys]\nstate_file = '{folder}/gateway-keys.json'\n\
                 provider = '{PROVIDER}'\nsigning_key_file = '{folder}/key-configuration.key'\n\
                 rotation_seconds = 86400\ncache_seconds = 60\n\
                 [[allow]]\nauthority = '{PROVIDER}'\nmethod = 'POST'\npath = '/v1/lookup'\n\
                 [target]\nurl = '{}'\ntimeout_ms = {}\nopen_seconds = 1\n{}\
                 [limits]\nper_relay = {much}\ntotal = {much}\n",
                self.url(2),
                self.settings.patience_ms,
                client("target.tls", "gateway-client")
            ),
        );
        let keys: Vec<_> = self.prover_keys.iter().map(|key| format!("'{}'", hex::encode(key.as_bytes()))).collect();
        self.write_configuration(
            Who::Store,
            "optional",
            "",
            &format!(
                "[store]\nprovider = '{PROVIDER}'\nfolder = '{folder}/database'\nhash_key_file = '{folder}/hash.key'\n\
                 receipt_key_file = '{folder}/receipt.key'\ncache_bytes = 16777216\n\
                 [[store.prover]]\nname = '{PROVER}'\nkeys = [{}]\nmethods = ['sms-otp', 'email-otp']\n\
                 [[store.issuer]]\nname = '{ISSUER}'\nkey = '{}'\nnumber_prefixes = ['+49']\n\
                 mail_domains = ['example.com']\n[gateways]\nnames = ['{GATEWAY}']\n\
                 [limits]\nper_publisher = {much}\ntotal = {much}\n",
                keys.join(", "),
                hex::encode(self.issuer.public().as_bytes())
            ),
        );
        self.write_configuration(
            Who::Prover,
            "required",
            &format!("name = '{PROVER}'\nstate_folder = '{folder}/prover'\ncache_bytes = 16777216\n"),
            &format!(
                "[courier]\nsms = {{ kind = 'file', outbox = '{folder}/outbox' }}\n\
                 email = {{ kind = 'file', outbox = '{folder}/outbox' }}\n\
                 [limits]\nper_msp = {much}\nper_number_range = {much}\nper_country = {much}\n\
                 per_cpi_hour = 10000\nper_cpi_day = 10000\nper_cpi_and_msp_hour = 9999\nper_cpi_and_msp_day = 9999\n"
            ),
        );
    }
}
