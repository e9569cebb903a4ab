/* The race's client: one thread that makes gRPC calls of one method, checks every answer, and counts.
 *
 * A workload (struct load_plan) says what a call sends and what must come back; a call of any of the four types is then
 * the same thing: `sends` messages one way, `receives` the other. The client knows no protobuf: messages are bytes.
 * call.c makes calls, drive.c decides when. */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include "bench/h2.h"
#include "bench/load/histogram.h"

struct load_plan {
  const char *address, *path;
  struct mw_buf request;    /* a message with its gRPC prefix */
  struct mw_buf reply;      /* the same; empty when replies differ and `reply_bytes` tells them */
  uint64_t reply_bytes;     /* of all messages of a call, prefixes included */
  bool unchecked;           /* replies may be anything */
  uint64_t sends, receives; /* messages of a call */
  bool lockstep;            /* a message goes out when the answer to the one before is in */
  int connections, streams; /* calls at a time on each connection */
  double rate;              /* calls per second, begun however many are under way; 0: as each ends, the next */
  double warm, seconds;     /* not counted, and counted */
  int server_pid;           /* whose CPU time is measured; 0 for nobody's */
  bool hold;                /* one call on each connection, then wait for the end of stdin */
};

struct load_counts {
  uint64_t calls, failed, sent, received, sent_bytes, received_bytes; /* sent: of calls that ended well */
  struct histogram latency; /* of a call; of a message's way there and back in lockstep */
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
  bool stopping; /* nothing new is begun */
  char why[160]; /* the first failure */
  void (*on_done)(struct load_conn *conn); /* a call has ended */
};

extern struct load load;

/* Connects every connection, one after the other, and begins to read on each. */
void load_connect(void);

/* Begins a call, whose latency is counted from `since` (monotonic nanoseconds). */
void load_call(struct load_conn *conn, int64_t since);

/* Runs the plan and prints the result as one line of JSON. Returns the exit status. */
int load_run(void);

#endif
