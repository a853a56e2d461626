//! Lists and watches of every kind as one stream. kube's watcher keeps each going: bookmarks, a break of the connection
//! resumed where it was, and a list anew where the server no longer remembers so far back (410).

use crate::config::Config;
use crate::error::ObserveError;
use crate::kinds::{self, Kind};
use futures_util::stream::{BoxStream, StreamExt as _, select_all};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use std::time::Duration;

/// By this name the API server's own audit log knows what we do.
const AGENT: &str = concat!("bellbuoy-observer/", env!("CARGO_PKG_VERSION"));
/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Longest time a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a watch lasts before the server ends it, seconds; it must be less than what is waited for an answer.
const LASTS: u32 = 290;

/// What was told of which kind.
pub(crate) type Told = (&'static Kind, Result<Event<DynamicObject>, watcher::Error>);

/// Everything that the API server tells, from now on and without end.
pub(crate) async fn all(config: &Config) -> Result<BoxStream<'static, Told>, ObserveError> {
    let client = connect(config).await?;
    let wanted = kinds::ALL.iter().filter(|kind| config.kinds.iter().any(|name| name == kind.kind));
    let streams = wanted.map(|kind| {
        let resource = ApiResource {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            api_version: kind.api_version(),
            kind: kind.kind.to_owned(),
            plural: kind.plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let how = watcher::Config::default().page_size(PAGE).timeout(LASTS);
        watcher(api, how).default_backoff().map(move |event| (kind, event)).boxed()
    });
    Ok(select_all(streams).boxed())
}

async fn connect(config: &Config) -> Result<kube::Client, ObserveError> {
    let wrong = |error: &dyn std::fmt::Display| ObserveError::Cluster(error.to_string());
    let mut found = match &config.kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(file).map_err(|error| wrong(&error))?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(read, &options).await.map_err(|error| wrong(&error))?
        }
        None => kube::Config::infer().await.map_err(|error| wrong(&error))?,
    };
    found.connect_timeout = Some(PATIENCE);
    found.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(AGENT)));
    kube::Client::try_from(found).map_err(|error| wrong(&error))
}
