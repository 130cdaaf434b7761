//! Looks up the names of targets, and leaves out what no target may be at.
//!
//! This is the only resolver of the client in [`super::http`], so what is checked is what is connected to: there is no second
//! lookup in which a name could lead elsewhere (DNS rebinding). A name of which one address is forbidden is forbidden as a
//! whole: no honest one is like that. An address in place of a name passes no resolver; [`Guard::check`] is for those.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::domain::{address, webhook};

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync + 'static {
    /// All of them.
    fn lookup(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// As this machine is set up to.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A target is where none may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the target is at {0}, which is no address of the public Internet")]
pub struct Forbidden(pub IpAddr);

/// Lets through what a target may be at.
#[derive(Clone)]
pub struct Guard {
    lookup: Arc<dyn Lookup>,
    allow_private: bool,
}

impl Guard {
    /// With `allow_private`, everything is let through.
    pub fn new(lookup: impl Lookup, allow_private: bool) -> Self {
        Self {
            lookup: Arc::new(lookup),
            allow_private,
        }
    }

    /// Whether targets may be anywhere.
    pub fn allows_private(&self) -> bool {
        self.allow_private
    }

    /// Lets an address through that stands in `url` itself.
    ///
    /// # Errors
    /// It is forbidden.
    pub fn check(&self, url: &Url) -> Result<(), Forbidden> {
        webhook::literal(url).map_or(Ok(()), |literal| self.admit(literal))
    }

    fn admit(&self, address: IpAddr) -> Result<(), Forbidden> {
        if self.allow_private || address::is_public(address) {
            Ok(())
        } else {
            Err(Forbidden(address))
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.lookup.lookup(name.as_str()).await?;
            for address in &found {
                guard.admit(*address)?;
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers differently each time, as a hostile name server does.
    struct Changing(AtomicUsize, Vec<Vec<&'static str>>);

    impl Lookup for Changing {
        fn lookup(&self, _: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            let answer = &self.1[self.0.fetch_add(1, Ordering::Relaxed)];
            let answer = answer.iter().map(|text| text.parse().unwrap()).collect();
            Box::pin(async { Ok(answer) })
        }
    }

    #[tokio::test]
    async fn every_answer_of_a_name_server_is_looked_at_anew_and_one_bad_address_spoils_it() {
        let answers = vec![vec!["8.8.8.8"], vec!["127.0.0.1"], vec!["8.8.8.8", "169.254.169.254"]];
        let guard = Guard::new(Changing(AtomicUsize::new(0), answers), false);
        let resolve = async || guard.resolve("hooks.example.com".parse().unwrap()).await;
        let first: Vec<SocketAddr> = resolve().await.ok().unwrap().collect();
        assert_eq!(first, ["8.8.8.8:0".parse().unwrap()]);
        for forbidden in ["127.0.0.1", "169.254.169.254"] {
            let error = resolve().await.err().unwrap();
            let forbidden = Forbidden(forbidden.parse().unwrap());
            assert_eq!(error.downcast_ref::<Forbidden>(), Some(&forbidden));
        }
    }
}
