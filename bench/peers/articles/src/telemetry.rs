//! telemetry.TelemetryService with constant figures and two fixed rules.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use pb::telemetry_service_server::{TelemetryService, TelemetryServiceServer};
use pb::{AlertResponse, MetricsPayload, MetricsRequest, MetricsResponse};

mod pb {
    tonic::include_proto!("telemetry");
}

const SHORTEST_MS: u64 = 500;
const CPU_LIMIT: f64 = 90.0;
const MEMORY_LIMIT: f64 = 4096.0;

struct Service;

pub fn service() -> TelemetryServiceServer<impl TelemetryService> {
    TelemetryServiceServer::new(Service)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn figures(service_name: &str) -> MetricsResponse {
    MetricsResponse {
        service_name: service_name.to_string(),
        cpu_usage: 42.5,
        memory_mb: 1024.0,
        request_count: 1000,
        timestamp_ms: now_ms(),
    }
}

fn alerts(report: &MetricsPayload) -> impl Iterator<Item = AlertResponse> + '_ {
    let rules = [
        ("CPU_HIGH", "CPU usage", report.cpu_usage, CPU_LIMIT),
        ("MEMORY_HIGH", "memory in MB", report.memory_mb, MEMORY_LIMIT),
    ];
    rules.into_iter().filter(|(_, _, value, limit)| value > limit).map(|(kind, what, value, limit)| AlertResponse {
        alert_type: kind.to_string(),
        message: format!("{what} of {} is {value:.1}, above {limit:.1}", report.service_name),
        value,
        timestamp_ms: report.timestamp_ms,
    })
}

type Stream<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl TelemetryService for Service {
    async fn get_snapshot(&self, request: Request<MetricsRequest>) -> Result<Response<MetricsResponse>, Status> {
        Ok(Response::new(figures(&request.get_ref().service_name)))
    }

    type SubscribeStream = Stream<MetricsResponse>;

    async fn subscribe(&self, request: Request<MetricsRequest>) -> Result<Response<Self::SubscribeStream>, Status> {
        let MetricsRequest { service_name, interval_ms } = request.into_inner();
        let (sender, receiver) = mpsc::channel(super::CHANNEL);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(u64::from(interval_ms).max(SHORTEST_MS)));
            loop {
                ticks.tick().await;
                if sender.send(Ok(figures(&service_name))).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type LiveFeedStream = Stream<AlertResponse>;

    async fn live_feed(
        &self,
        request: Request<Streaming<MetricsPayload>>,
    ) -> Result<Response<Self::LiveFeedStream>, Status> {
        let mut reports = request.into_inner();
        let (sender, receiver) = mpsc::channel(super::CHANNEL);
        tokio::spawn(async move {
            while let Ok(Some(report)) = reports.message().await {
                for alert in alerts(&report) {
                    if sender.send(Ok(alert)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
