//! The whole service API on one page: which method and path is what, who may, and which body a refusal has.

use super::call::Verb;
use super::{Answer, Call, configurations, jobs, registry, twins};
use crate::error::{ErrorCode, HubError};
use crate::jobs::Jobs;
use crate::sas::ServiceGate;
use crate::store::{Hub, Id, Permission};
use std::sync::Arc;

/// Answers one request.
pub(super) async fn answer(hub: &Arc<Hub>, gate: &ServiceGate, all_jobs: &Jobs, call: &Call) -> Answer {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let Some(route) = Route::find(&call.method, &path) else {
        return nowhere(call, &path);
    };
    let done = match admit(hub, gate, call, (&route, &path)) {
        Ok(()) => route.run(hub, all_jobs, call).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(answer) => answer,
        Err(error) if route.speaks_numbers(error.code) => Answer::refused_by_number(&error),
        Err(error) if matches!(route, Route::Twin(..)) => Answer::refused_by_twins(&error),
        Err(error) => Answer::refused(&error),
    }
}

fn admit(
    hub: &Hub,
    gate: &ServiceGate,
    call: &Call,
    (route, path): (&Route<'_>, &[&str]),
) -> Result<(), HubError> {
    if call.parameter("api-version").is_none_or(str::is_empty) {
        return Err(HubError::new(ErrorCode::InvalidProtocolVersion, "api-version is missing"));
    }
    if call.too_large {
        return Err(HubError::new(ErrorCode::MessageTooLarge, "the request's body is too large"));
    }
    let token = call.authorization.as_deref().unwrap_or_default();
    gate.check(hub, token, route.permission(), path)
}

/// Every method a resource here may have.
const METHODS: [&str; 5] = ["GET", "PUT", "PATCH", "POST", "DELETE"];

#[derive(Debug)]
enum Route<'a> {
    ListDevices,
    Bulk,
    Query,
    Device(Verb, &'a str),
    ListModules(&'a str),
    Module(Verb, &'a str, &'a str),
    Twin(Verb, Id),
    ApplyConfiguration(&'a str),
    ListConfigurations,
    Configuration(Verb, &'a str),
    TestQueries,
    CreateJob,
    ListJobs,
    Job(&'a str),
    CancelJob(&'a str),
    DeviceStatistics,
    ServiceStatistics,
}

impl<'a> Route<'a> {
    fn find(method: &str, path: &[&'a str]) -> Option<Self> {
        let verb = Verb::of(method);
        match (method, path) {
            ("GET", ["devices"]) => Some(Self::ListDevices),
            ("POST", ["devices"]) => Some(Self::Bulk),
            ("POST", ["devices", "query"]) => Some(Self::Query),
            ("GET" | "PUT" | "DELETE", ["devices", id]) => Some(Self::Device(verb?, id)),
            ("GET", ["devices", id, "modules"]) => Some(Self::ListModules(id)),
            ("GET" | "PUT" | "DELETE", ["devices", id, "modules", module]) => {
                Some(Self::Module(verb?, id, module))
            }
            ("GET" | "PUT" | "PATCH", ["twins", id]) => Some(Self::Twin(verb?, Id::device(*id))),
            ("GET" | "PUT" | "PATCH", ["twins", id, "modules", module]) => {
                Some(Self::Twin(verb?, Id::module(*id, *module)))
            }
            ("POST", ["devices", id, "applyConfigurationContent"]) => Some(Self::ApplyConfiguration(id)),
            ("GET", ["configurations"]) => Some(Self::ListConfigurations),
            ("POST", ["configurations", "testQueries"]) => Some(Self::TestQueries),
            ("GET" | "PUT" | "DELETE", ["configurations", id]) => Some(Self::Configuration(verb?, id)),
            ("POST", ["jobs", "create"]) => Some(Self::CreateJob),
            ("GET", ["jobs"]) => Some(Self::ListJobs),
            ("GET", ["jobs", id]) if *id != "v2" => Some(Self::Job(id)),
            ("DELETE", ["jobs", id]) if *id != "v2" => Some(Self::CancelJob(id)),
            ("GET", ["statistics", "devices"]) => Some(Self::DeviceStatistics),
            ("GET", ["statistics", "service"]) => Some(Self::ServiceStatistics),
            _ => None,
        }
    }

    /// What a shared access policy must allow (documented; inferred for queries, statistics, configurations and jobs).
    fn permission(&self) -> Permission {
        match self {
            Self::Device(Verb::Put | Verb::Delete, _) | Self::Module(Verb::Put | Verb::Delete, ..) => {
                Permission::RegistryWrite
            }
            Self::Bulk | Self::ApplyConfiguration(_) => Permission::RegistryWrite,
            Self::ListConfigurations | Self::Configuration(..) | Self::TestQueries => {
                Permission::RegistryWrite
            }
            Self::CreateJob | Self::ListJobs | Self::Job(_) | Self::CancelJob(_) => Permission::RegistryWrite,
            Self::Twin(..) | Self::Query => Permission::ServiceConnect,
            _ => Permission::RegistryRead,
        }
    }

    /// Module identity calls fail with numbered bodies (observed), but for a stale ETag (recorded).
    fn speaks_numbers(&self, code: ErrorCode) -> bool {
        matches!(self, Self::ListModules(_) | Self::Module(..)) && code != ErrorCode::PreconditionFailed
    }

    async fn run(&self, hub: &Arc<Hub>, all_jobs: &Jobs, call: &Call) -> Result<Answer, HubError> {
        match self {
            Self::ListDevices => aside(hub, call, registry::list).await,
            Self::Bulk => registry::bulk(hub, call),
            Self::Device(verb, id) => registry::device(hub, call, *verb, id),
            Self::ListModules(id) => registry::list_modules(hub, id),
            Self::Module(verb, id, module) => registry::module(hub, call, *verb, id, module),
            Self::DeviceStatistics => aside(hub, call, registry::device_statistics).await,
            Self::ServiceStatistics => aside(hub, call, registry::service_statistics).await,
            Self::Twin(verb, id) => twins::twin(hub, call, *verb, id),
            Self::Query => aside(hub, call, twins::query).await,
            Self::ApplyConfiguration(id) => configurations::apply(hub, call, id),
            Self::ListConfigurations => Ok(configurations::list(hub)),
            Self::Configuration(verb, id) => configurations::configuration(hub, call, *verb, id),
            Self::TestQueries => configurations::test(call),
            Self::CreateJob => jobs::create(all_jobs, hub, call).await,
            Self::ListJobs => Ok(jobs::list(all_jobs)),
            Self::Job(id) => jobs::get(all_jobs, id),
            Self::CancelJob(id) => jobs::cancel(all_jobs, id).await,
        }
    }
}

/// Looks at many devices on a thread apart: connections that share a worker with it would wait for it.
async fn aside(
    hub: &Arc<Hub>,
    call: &Call,
    look: fn(&Hub, &Call) -> Result<Answer, HubError>,
) -> Result<Answer, HubError> {
    let (hub, call) = (Arc::clone(hub), call.clone());
    let looked = tokio::task::spawn_blocking(move || look(&hub, &call)).await;
    looked.unwrap_or_else(|error| Err(HubError::new(ErrorCode::ServerError, error.to_string())))
}

/// What leads to no route: a resource that has other methods answers 405, everything else is refused by name.
fn nowhere(call: &Call, path: &[&str]) -> Answer {
    let others: Vec<&str> =
        METHODS.into_iter().filter(|method| Route::find(method, path).is_some()).collect();
    if let (None, false) = (unsupported(path), others.is_empty()) {
        return Answer::wrong_method(&call.method, &others.join(", "));
    }
    let name = unsupported(path).map(|name| format!("{name}: ")).unwrap_or_default();
    let text = format!("{name}{} {} is not supported by this emulator", call.method, call.path);
    Answer::refused(&HubError::new(ErrorCode::NotImplemented, text))
}

/// Documented parts of the API that are not there.
fn unsupported(path: &[&str]) -> Option<&'static str> {
    match path {
        ["jobs", "v2", ..] => Some("scheduled jobs"),
        ["digitaltwins", ..] => Some("digital twins"),
        ["twins", _, "methods"] | ["twins", _, "modules", _, "methods"] => Some("direct methods"),
        ["devices", "keys", "regenerate"] => Some("key regeneration"),
        ["devices", _, "messages", ..] | ["messages", ..] | ["devices", _, "commands"] => {
            Some("messages in either direction")
        }
        ["devices", _, "files", ..] => Some("file upload"),
        ["$admin", ..] => Some("administration calls of old clients"),
        _ => None,
    }
}
