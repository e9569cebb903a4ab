/* The race's load generator: one thread that makes gRPC calls of one method, checks every reply, and counts.
 *
 * A workload (struct load_plan) defines the messages of a call and the expected replies. So calls of all four types are
 * alike: they send `sends` messages and receive `receives`. A publisher may send messages for all of them. Messages are
 * bytes; there is no protobuf. call.c makes calls, drive.c decides when. */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include "bench/h2.h"
#include "bench/load/histogram.h"

struct load_plan {
  const char *address, *path;
  struct mw_buf request;    /* a message with its gRPC prefix; or several with theirs, which are sent as one */
  struct mw_buf reply;      /* the same; empty if replies differ and `reply_bytes` checks them */
  uint64_t reply_bytes;     /* of all messages of a call, prefixes included */
  bool unchecked;           /* any reply is accepted */
  uint64_t sends, receives; /* messages of a call */
  uint64_t window;          /* messages of a call that may be without their reply; 0: any number */
  bool cancel;              /* a call is reset, and counts as done, when it has received its messages or time is up */
  const char *publish_path; /* method of the publisher; NULL for none */
  struct mw_buf publish;    /* its message */
  int connections, streams; /* streams: calls at a time on each connection */
  double rate;              /* calls per second at a fixed rate; 0: a call begins as another ends */
  double warm, seconds;     /* length of the warm-up, which does not count, and of the measurement */
  int server_pid;           /* process whose CPU time is measured; 0 for none */
  bool hold;                /* one call on each connection, then wait for the end of stdin */
};

struct load_counts {
  uint64_t calls, failed, sent, received, sent_bytes, received_bytes; /* sent: of calls with status OK */
  struct histogram latency; /* of calls; with a window, of message round trips; with a publisher, none */
};

struct load_conn {
  struct h2_conn h2;
  int under_way;
};

struct load {
  struct load_plan plan;
  struct h2_loop loop;
  struct load_conn *conns; /* plan.connections of them */
  struct load_counts counts;
  uint64_t under_way;
  uint64_t received;                       /* messages, from the start on */
  uint64_t answered;                       /* calls whose response has begun */
  bool stopping;                           /* no call begins */
  char why[160];                           /* the first failure */
  void (*on_done)(struct load_conn *conn); /* a call has ended */
};

extern struct load load;

/* Opens all connections, one after the other, and begins to read on each. */
void load_connect(void);

/* Begins a call, whose latency is counted from `since` (monotonic nanoseconds). */
void load_call(struct load_conn *conn, int64_t since);

/* Begins the call of the publisher, on the first connection. It sends its message as long as each of `subscribers`
 * calls lacks at most plan.window of its messages. */
void load_publish(uint64_t subscribers);

/* Runs the plan and prints the result as one line of JSON. Returns the exit status. */
int load_run(void);

#endif
