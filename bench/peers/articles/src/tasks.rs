//! tasks.TaskService over a map in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, RwLock};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use pb::task_service_server::{TaskService, TaskServiceServer};
use pb::{CreateTaskRequest, GetTaskRequest, ListTasksRequest, Task, UpdateStatusRequest};

mod pb {
    tonic::include_proto!("tasks");
}

#[derive(Default)]
struct Store {
    tasks: RwLock<HashMap<String, Task>>,
    last: RwLock<u64>,
}

#[derive(Default)]
struct Service {
    store: Arc<Store>,
}

pub fn service() -> TaskServiceServer<impl TaskService> {
    TaskServiceServer::new(Service::default())
}

fn unknown(id: &str) -> Status {
    Status::not_found(format!("no task {id}"))
}

fn seconds_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn matches(task: &Task, wanted: &ListTasksRequest) -> bool {
    wanted.priority_filter.is_none_or(|priority| task.priority == priority)
        && wanted.status_filter.is_none_or(|status| task.status == status)
}

#[tonic::async_trait]
impl TaskService for Service {
    async fn create_task(&self, request: Request<CreateTaskRequest>) -> Result<Response<Task>, Status> {
        let CreateTaskRequest { title, description, priority } = request.into_inner();
        if title.is_empty() {
            return Err(Status::invalid_argument("a task needs a title"));
        }
        let id = {
            let mut last = self.store.last.write().await;
            *last += 1;
            format!("task-{:04}", *last)
        };
        let status = pb::Status::Todo as i32;
        let task = Task { id: id.clone(), title, description, priority, status, created_at: seconds_now() };
        self.store.tasks.write().await.insert(id, task.clone());
        Ok(Response::new(task))
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<Response<Task>, Status> {
        let id = request.into_inner().id;
        let tasks = self.store.tasks.read().await;
        tasks.get(&id).cloned().map(Response::new).ok_or_else(|| unknown(&id))
    }

    type ListTasksStream = ReceiverStream<Result<Task, Status>>;

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Result<Response<Self::ListTasksStream>, Status> {
        let wanted = request.into_inner();
        let found: Vec<Task> = {
            let tasks = self.store.tasks.read().await;
            tasks.values().filter(|task| matches(task, &wanted)).cloned().collect()
        };
        let (sender, receiver) = mpsc::channel(super::CHANNEL);
        tokio::spawn(async move {
            for task in found {
                if sender.send(Ok(task)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn update_status(&self, request: Request<UpdateStatusRequest>) -> Result<Response<Task>, Status> {
        let UpdateStatusRequest { id, status } = request.into_inner();
        let mut tasks = self.store.tasks.write().await;
        let task = tasks.get_mut(&id).ok_or_else(|| unknown(&id))?;
        task.status = status;
        Ok(Response::new(task.clone()))
    }
}
