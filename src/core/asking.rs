//! Questions that only the control plane can answer: the task of one connection waits, the core goes on.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::{Cell, Core};
use crate::feed::post::{Mail, Post};

/// A question on its way; what it comes to is sent to the core that asked.
pub type Question = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has questions answered on the control plane.
pub type Control = Arc<dyn Fn(Question) + Send + Sync>;

/// What questions of a core are under way.
#[derive(Default)]
pub struct Asking {
    next: u64,
    waiting: HashMap<u64, Rc<RefCell<Waiter>>>,
}

#[derive(Default)]
struct Waiter {
    /// Whether the control plane has answered, or given up.
    is_over: bool,
    answer: Option<Box<dyn Any + Send>>,
    waker: Option<Waker>,
}

/// Sends an answer, or, where the question was dropped, that there is none.
struct Reply {
    post: Post,
    ticket: u64,
    answer: Option<Box<dyn Any + Send>>,
}

impl Reply {
    fn with(mut self, answer: Box<dyn Any + Send>) {
        self.answer = Some(answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.post.send(Mail::Answer(self.ticket, self.answer.take()));
    }
}

/// Asks the control plane. `None`: it has given up on the question.
pub async fn ask<T: Send + 'static>(
    core: &Cell,
    question: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let waiter = core.get().put_question(question);
    let answer = poll_fn(|context| {
        let mut waiter = waiter.borrow_mut();
        if waiter.is_over {
            return Poll::Ready(waiter.answer.take());
        }
        waiter.waker = Some(context.waker().clone());
        Poll::Pending
    })
    .await;
    answer?.downcast::<T>().ok().map(|answer| *answer)
}

impl Core {
    fn put_question<T: Send + 'static>(
        &mut self,
        question: impl Future<Output = T> + Send + 'static,
    ) -> Rc<RefCell<Waiter>> {
        let ticket = self.asking.next;
        self.asking.next += 1;
        let waiter = Rc::new(RefCell::new(Waiter::default()));
        self.asking.waiting.insert(ticket, waiter.clone());
        let reply = Reply { post: self.everywhere.hub.post(self.id), ticket, answer: None };
        (self.everywhere.control)(Box::pin(async move {
            reply.with(Box::new(question.await));
        }));
        waiter
    }

    /// An answer is here.
    pub(super) fn answered(&mut self, ticket: u64, answer: Option<Box<dyn Any + Send>>) {
        let Some(waiter) = self.asking.waiting.remove(&ticket) else { return };
        let mut waiter = waiter.borrow_mut();
        waiter.is_over = true;
        waiter.answer = answer;
        if let Some(waker) = waiter.waker.take() {
            waker.wake();
        }
    }
}
