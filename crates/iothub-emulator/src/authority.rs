//! The certificate authority that clients are told to trust, kept in a directory so that they need to be told once.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The authority's certificate, in its directory.
const CERTIFICATE: &str = "ca.pem";

/// The authority's private key, in its directory, for its owner only.
const KEY: &str = "ca-key.pem";

/// Why there is no authority, or no certificate from it.
#[derive(Debug)]
pub enum AuthorityError {
    /// No directory was given, and none follows from the environment.
    NoDirectory,
    /// A file or directory cannot be read or written.
    File(PathBuf, io::Error),
    /// A file is there and is not what it should be: why not.
    Unusable(PathBuf, String),
    /// No certificate can be made of these names.
    Certificate(rcgen::Error),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory => {
                f.write_str("there is no home directory to keep the certificate authority in: give --ca-dir")
            }
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unusable(path, why) => {
                write!(
                    f,
                    "{}: {why}; remove it to get a new authority, or give another --ca-dir",
                    path.display()
                )
            }
            Self::Certificate(error) => write!(f, "no certificate: {error}"),
        }
    }
}

impl std::error::Error for AuthorityError {}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

/// The authority that clients are told to trust. Server certificates are issued by it: clients refuse an authority
/// that is the server's certificate itself (observed).
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    /// The authority kept in a directory, or a new one, kept there from now on. Several programs may do this at once:
    /// all get the same.
    ///
    /// # Errors
    /// When the directory cannot be made or its files cannot be read or written, or are no authority. What is there
    /// is never overwritten.
    pub fn in_directory(directory: &Path) -> Result<Self, AuthorityError> {
        // A relative path would mean something else to whoever is told of the file elsewhere.
        let directory = std::path::absolute(directory).map_err(failed(directory))?;
        std::fs::create_dir_all(&directory).map_err(failed(&directory))?;
        let (file, key_file) = (directory.join(CERTIFICATE), directory.join(KEY));
        if exists(&file)? && !exists(&key_file)? {
            return Err(AuthorityError::Unusable(file, format!("its key, {KEY}, is not beside it")));
        }
        let key = kept(&key_file, 0o600, || Ok(KeyPair::generate()?.serialize_pem()))?;
        let key = KeyPair::from_pem(&key).map_err(unusable(&key_file))?;
        let pem = kept(&file, 0o644, || Ok(own_parameters()?.self_signed(&key)?.pem()))?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(unusable(&file))?;
        let authority = Self { issuer: Issuer::new(own_parameters()?, key), file };
        authority.speaks_for(certificate)?;
        Ok(authority)
    }

    /// Whether those who trust the certificate trust what is issued: key and name are those of the certificate.
    fn speaks_for(&self, certificate: CertificateDer<'static>) -> Result<(), AuthorityError> {
        let (chain, _) = self.issue(&[], IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let trusted = chain.first().is_some_and(|leaf| trusts(certificate, leaf).is_ok());
        let why =
            || AuthorityError::Unusable(self.file.clone(), format!("not made by this program with {KEY}"));
        trusted.then_some(()).ok_or_else(why)
    }

    /// The directory for those who name none: `iothub-emulator` in `XDG_DATA_HOME`, or in `~/.local/share`.
    ///
    /// # Errors
    /// `NoDirectory` when the environment names neither.
    pub fn usual_directory() -> Result<PathBuf, AuthorityError> {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
        Ok(data.ok_or(AuthorityError::NoDirectory)?.join("iothub-emulator"))
    }

    /// The file with the authority's certificate, for clients to trust; an absolute path.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A certificate for DNS names, `localhost` and an address, with its key.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub(crate) fn issue(
        &self,
        names: &[&str],
        address: IpAddr,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), AuthorityError> {
        let mut all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        all.extend(["localhost".to_owned(), address.to_string()]);
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("localhost"));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok((vec![leaf.der().clone()], key))
    }
}

fn own_parameters() -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "iothub-emulator");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |error| AuthorityError::File(path.clone(), error)
}

fn unusable<E: fmt::Display>(path: &Path) -> impl Fn(E) -> AuthorityError {
    let path = path.to_owned();
    move |error| AuthorityError::Unusable(path.clone(), error.to_string())
}

fn exists(path: &Path) -> Result<bool, AuthorityError> {
    path.try_exists().map_err(failed(path))
}

/// What a client does that trusts only `root`.
fn trusts(root: CertificateDer<'static>, leaf: &CertificateDer<'static>) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
    let name = ServerName::from(Ipv4Addr::LOCALHOST);
    verifier.verify_server_cert(leaf, &[], &name, &[], UnixTime::now()).map(drop)
}

/// What a file holds; made, if it is not there.
fn kept(
    path: &Path,
    mode: u32,
    make: impl FnOnce() -> Result<String, AuthorityError>,
) -> Result<String, AuthorityError> {
    if !exists(path)? {
        place(path, mode, &make()?).map_err(failed(path))?;
    }
    std::fs::read_to_string(path).map_err(failed(path))
}

/// Puts a file in its place whole, unless somebody else has just done so.
fn place(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let draft = path.with_extension(uuid::Uuid::new_v4().simple().to_string());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    let placed = file.write_all(text.as_bytes()).and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        placed => placed,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let name = format!("iothub-emulator-authority-{}", uuid::Uuid::new_v4().simple());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _left_to_the_system = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_authority_stays_the_same_and_its_key_is_for_its_owner_only() {
        let scratch = Scratch::new();
        let first = std::fs::read(Authority::in_directory(&scratch.0).unwrap().file()).unwrap();
        let again = Authority::in_directory(&scratch.0).unwrap();
        assert_eq!(std::fs::read(again.file()).unwrap(), first);
        let mode = std::fs::metadata(scratch.0.join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 2);
    }

    #[test]
    fn a_certificate_without_its_key_is_refused_and_kept() {
        let scratch = Scratch::new();
        let file = Authority::in_directory(&scratch.0).unwrap().file().to_owned();
        std::fs::remove_file(scratch.0.join(KEY)).unwrap();
        let error = Authority::in_directory(&scratch.0).unwrap_err().to_string();
        assert!(error.contains("ca-key.pem") && file.exists(), "{error}");
    }

    #[test]
    fn files_that_are_no_authority_are_refused_by_name() {
        for (name, text) in [(CERTIFICATE, "nonsense"), (KEY, "nonsense")] {
            let scratch = Scratch::new();
            Authority::in_directory(&scratch.0).unwrap();
            std::fs::write(scratch.0.join(name), text).unwrap();
            let error = Authority::in_directory(&scratch.0).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn another_authoritys_key_does_not_pass_for_its_own() {
        let (one, other) = (Scratch::new(), Scratch::new());
        Authority::in_directory(&one.0).unwrap();
        Authority::in_directory(&other.0).unwrap();
        std::fs::copy(other.0.join(KEY), one.0.join(KEY)).unwrap();
        assert!(matches!(Authority::in_directory(&one.0), Err(AuthorityError::Unusable(..))));
    }
}
