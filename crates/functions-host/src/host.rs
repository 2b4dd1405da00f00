//! Puts the parts together, says when they are ready, and takes them down.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::{self, Function, HostJson, Settings, Trigger};
use crate::cli::StartOptions;
use crate::control::{self, Controls};
use crate::error::HostError;
use crate::event_hub::{Checkpoints, EventHubFunction, EventLog, OwnerContext, Partition, Positions};
use crate::handler::{Handler, Launch, Supervisor};
use crate::http::{self, HttpFunction, Site};
use crate::invocation::{Caller, Runner};
use crate::log::{HostLog, STARTUP};
use crate::timer::{TimerFunction, Timers};

/// Runs an app until SIGINT (`Ok`), with `--end-on-sigterm` also until SIGTERM, or until the handler has failed for good.
///
/// Prints one line of JSON on standard output once the handler answers and the ports are open.
///
/// # Errors
/// What has to be put right, before anything is started; or that the handler ended for good.
pub async fn run(options: StartOptions) -> Result<(), HostError> {
    // Only fails when somebody else has installed one already, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let plan = Plan::read(options)?;
    let stop = CancellationToken::new();
    let client = reqwest::Client::builder().no_proxy().build().map_err(machine)?;
    let launch = plan.launch()?;
    launch.check()?;
    let max_restarts = plan.options.max_restarts;
    let (supervisor, handler) = Supervisor::new(launch, client.clone(), max_restarts, stop.clone());
    let signals = stop_signal(plan.options.end_on_sigterm, plan.log.clone())?;
    let mut handler_life = tokio::spawn(supervisor.run());
    let serving = serve(&plan, client, handler, stop.clone());
    let outcome = tokio::select! {
        () = signals => Ok(()),
        ended = &mut handler_life => ended.unwrap_or_else(|error| Err(machine(error))),
        failed = serving => failed,
    };
    if let Err(error) = &outcome {
        plan.log.error(STARTUP, &error.to_string());
    }
    stop.cancel();
    if !handler_life.is_finished() {
        // The handler is killed before the host ends.
        let _ = handler_life.await;
    }
    plan.log.information(STARTUP, "Host stopped.");
    outcome
}

/// What was read before anything is started.
struct Plan {
    options: StartOptions,
    root: PathBuf,
    settings: Settings,
    host: HostJson,
    functions: Vec<Function>,
    log: HostLog,
}

impl Plan {
    fn read(options: StartOptions) -> Result<Self, HostError> {
        let root = std::fs::canonicalize(&options.app)
            .map_err(|error| HostError::unreadable(&options.app, error))?;
        let file = options.local_settings.clone().unwrap_or_else(|| root.join("local.settings.json"));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let settings = Settings::read(&file, environment, &options.env)?;
        let mut host = HostJson::read(&root, &settings)?;
        if let Some(handler) = &options.handler {
            host.executable =
                std::path::absolute(handler).map_err(|error| HostError::unreadable(handler, error))?;
        }
        let functions = app::read_functions(&root, &settings)?;
        let log = HostLog::new(host.log_levels.clone());
        Ok(Self { options, root, settings, host, functions, log })
    }

    fn launch(&self) -> Result<Launch, HostError> {
        Ok(Launch {
            host: self.host.clone(),
            settings: self.settings.clone(),
            root: self.root.clone(),
            guard: std::env::current_exe().map_err(machine)?,
            port: unused_port()?,
            log: self.log.clone(),
        })
    }

    fn runner(&self, handler: Handler, paused: watch::Receiver<bool>) -> Runner {
        let caller = Arc::new(Caller::new(handler, self.host.function_timeout));
        Runner { caller, log: self.log.clone(), paused, retry_scale: self.options.retry_scale }
    }

    /// The functions of one kind, with their trigger.
    fn triggered<T>(&self, take: impl Fn(&Function) -> Option<T>) -> Vec<T> {
        self.functions.iter().filter_map(take).collect()
    }

    fn event_hub_functions(&self) -> Vec<Arc<EventHubFunction>> {
        self.triggered(|function| match &function.trigger {
            Trigger::EventHub(trigger) => {
                Some(Arc::new(EventHubFunction { function: function.clone(), trigger: trigger.clone() }))
            }
            Trigger::Timer(_) | Trigger::Http(_) => None,
        })
    }

    fn http_functions(&self) -> Vec<HttpFunction> {
        self.triggered(|function| match &function.trigger {
            Trigger::Http(trigger) => {
                Some(HttpFunction::new(function.clone(), trigger, &self.host.route_prefix))
            }
            Trigger::Timer(_) | Trigger::EventHub(_) => None,
        })
    }

    fn timer_functions(&self) -> Result<Vec<TimerFunction>, HostError> {
        let timers = self.triggered(|function| match &function.trigger {
            Trigger::Timer(trigger) => Some(TimerFunction::new(function.clone(), trigger.clone())),
            Trigger::Http(_) | Trigger::EventHub(_) => None,
        });
        timers.into_iter().collect()
    }
}

/// Opens the ports, starts the triggers, and serves until something fails.
async fn serve(
    plan: &Plan,
    client: reqwest::Client,
    handler: Handler,
    stop: CancellationToken,
) -> Result<(), HostError> {
    let public = bind(plan.options.port).await?;
    let private = bind(plan.options.control_port).await?;
    let (paused, pause) = watch::channel(false);
    let runner = plan.runner(handler.clone(), pause);
    let positions = Positions::new();
    let event_hub_functions = plan.event_hub_functions();
    let timers = plan.timer_functions()?;
    let partitions = start_partitions(plan, &event_hub_functions, client, &runner, &positions, &stop).await?;
    let timers = Timers::start(timers, &runner, &positions, &stop);
    let site = Site {
        runner,
        forwarding: plan.host.forward_http,
        http_functions: plan.http_functions(),
        event_hub_functions,
        timers: timers.clone(),
        stop,
    };
    let controls = Controls { handler: handler.clone(), partitions, positions, paused, timers };
    let addresses = (address(&public)?, address(&private)?);
    let ready = announce(plan, handler, addresses);
    let sites = async {
        tokio::try_join!(
            listen(public, http::router(Arc::new(site))),
            listen(private, control::router(Arc::new(controls))),
        )
    };
    tokio::join!(ready, sites).1.map(drop)
}

async fn start_partitions(
    plan: &Plan,
    functions: &[Arc<EventHubFunction>],
    client: reqwest::Client,
    runner: &Runner,
    positions: &Positions,
    stop: &CancellationToken,
) -> Result<Vec<Arc<Partition>>, HostError> {
    if functions.is_empty() {
        return Ok(Vec::new());
    }
    let Some(url) = &plan.options.event_logs else {
        return Err(HostError::EventLog(
            "a function has an event hub trigger: --event-logs URL is needed".to_owned(),
        ));
    };
    let context = OwnerContext {
        log: EventLog::new(client, url),
        runner: runner.clone(),
        checkpoints: Checkpoints::in_folder(plan.options.checkpoints.clone()).map_err(machine)?,
        positions: positions.clone(),
        max_batch: plan.options.max_batch.unwrap_or(plan.host.max_event_batch_size).max(1),
        prefetch: plan.host.prefetch_count,
        stop: stop.clone(),
    };
    let mut partitions = Vec::new();
    for function in functions {
        let ids =
            context.log.partition_ids(&function.trigger.event_hub).await.map_err(HostError::EventLog)?;
        for id in ids {
            let place = format!("the checkpoint of {}/{id}", function.function.name);
            let unreadable = |error| HostError::Machine(format!("{place}: {error}"));
            let partition = Partition::new(Arc::clone(function), id, context.clone()).map_err(unreadable)?;
            if !plan.options.without_partitions {
                partition.acquire().map_err(unreadable)?;
            }
            partitions.push(partition);
        }
    }
    Ok(partitions)
}

/// Prints the ready line once the handler answers.
async fn announce(plan: &Plan, handler: Handler, (http, control): (String, String)) {
    for function in &plan.functions {
        plan.log.information(STARTUP, &format!("Found function {}", function.name));
    }
    if !handler.ready().await {
        return;
    }
    plan.log.information(STARTUP, &format!("Host started. Now listening on: {http}"));
    let line = json!({
        "ready": true,
        "http": http,
        "handlerPort": handler.port(),
        "handlerPid": handler.status().pid,
        "control": control,
    });
    // Without somebody to read the line there is nobody to tell.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
}

async fn listen(listener: TcpListener, router: Router) -> Result<(), HostError> {
    // Small answers must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.map_err(machine)
}

async fn bind(port: u16) -> Result<TcpListener, HostError> {
    let bound = TcpListener::bind(("127.0.0.1", port)).await;
    bound.map_err(|error| HostError::Machine(format!("port {port} on 127.0.0.1 cannot be used: {error}")))
}

fn address(listener: &TcpListener) -> Result<String, HostError> {
    listener.local_addr().map(|address| format!("http://{address}")).map_err(machine)
}

/// Free now; the handler takes it a moment later, as with the real host.
fn unused_port() -> Result<u16, HostError> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(machine)?;
    listener.local_addr().map(|address| address.port()).map_err(machine)
}

/// SIGINT ends the host; SIGTERM is taken and does nothing unless it is asked for (both observed of func).
fn stop_signal(ends_on_sigterm: bool, log: HostLog) -> Result<impl Future<Output = ()>, HostError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(machine)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(machine)?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => return,
                _ = terminate.recv() => if ends_on_sigterm { return },
            }
            log.warning(STARTUP, "SIGTERM is ignored, as by the real host: end it with SIGINT, or start it with --end-on-sigterm.");
        }
    })
}

fn machine(error: impl std::fmt::Display) -> HostError {
    HostError::Machine(error.to_string())
}
