/* An attempt belongs to its thread until the thread posts it to the loop, and to the loop from then on. The loop
 * abandons an attempt by marking it under its lock. The thread posts under the same lock: so a late thread posts
 * nothing to a loop that may no longer exist, and frees the attempt itself. */
#include "server/generation/generation_reader.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "schema/load/subprocess.h"
#include "server/generation/stability.h"
#include "server/settings/settings_check.h"

struct mw_generation_reader_attempt {
  struct mw_generation_reader *reading; /* used by the loop alone */
  struct mw_loop *loop;
  const char *dir;
  uint64_t number;
  struct mw_generation *previous; /* a reference */
  const struct mw_overrides *overrides;
  struct mw_subprocess_bounds bounds;
  pthread_t thread;
  pthread_mutex_t lock; /* guards the next two */
  bool given_up, posted;
  struct mw_post post;
  /* Outcome: nanoseconds until the next attempt, because the file `busy` is being written; 0 if the last three members
   * are set. */
  int64_t wait;
  struct mw_buf busy;
  int rc;
  struct mw_generation *generation;
  struct mw_err err;
};

static const int64_t limit = MW_READING_LIMIT_MS * (int64_t)MW_NS_PER_MS;

static atomic_uint left_behind; /* threads of abandoned attempts */

static void attempt_free(struct mw_generation_reader_attempt *attempt) {
  mw_generation_unref(attempt->previous);
  mw_generation_unref(attempt->generation);
  mw_buf_fini(&attempt->busy);
  mw_err_fini(&attempt->err);
  pthread_mutex_destroy(&attempt->lock);
  free(attempt);
}

/* ---- on the reading thread ---- */

/* Records that `path` is being written. */
static void put_off(struct mw_generation_reader_attempt *attempt, const char *path, int64_t wait) {
  mw_err_fini(&attempt->err);
  mw_generation_unref(attempt->generation);
  attempt->generation = NULL;
  attempt->rc = mw_buf_puts(&attempt->busy, path);
  if (attempt->rc != 0) {
    mw_err_set(&attempt->err, attempt->rc, "out of memory");
  } else {
    attempt->wait = wait;
  }
}

/* Reads the folder. Refuses a new moonwire.lua with which a server could not start. Does not check an unchanged one, so
 * that the replacement of a certificate does not refuse a save of a script. */
static void read_folder(struct mw_generation_reader_attempt *attempt) {
  struct mw_generation *read = NULL;
  int rc = mw_generation_read(&read, attempt->dir, attempt->number, attempt->previous, attempt->overrides,
                              &attempt->err);
  if (rc == 0 && attempt->previous && !mw_generation_same_settings(read, attempt->previous)) {
    rc = mw_settings_check(&read->settings, read->settings.data, &attempt->err);
  }
  attempt->rc = rc;
  attempt->generation = rc == 0 ? read : NULL;
  if (rc != 0) mw_generation_unref(read);
}

/* Reads, and checks that the files are still the same as in `before`. */
static void read_between(struct mw_generation_reader_attempt *attempt, const struct mw_stability *before) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_stability after;
  read_folder(attempt);
  if (mw_stability_take(&after, attempt->dir, mw_clock_wall, &err) != 0) {
    mw_generation_unref(attempt->generation);
    attempt->generation = NULL;
    mw_err_fini(&attempt->err);
    attempt->rc = err.code;
    attempt->err = err;
    return;
  }
  const char *changed = mw_stability_difference(before, &after);
  if (changed) put_off(attempt, changed, (int64_t)MW_LOOK_FRESH_MS * MW_NS_PER_MS);
  mw_stability_fini(&after);
}

static void look_and_read(struct mw_generation_reader_attempt *attempt) {
  struct mw_stability look;
  attempt->rc = mw_stability_take(&look, attempt->dir, mw_clock_wall, &attempt->err);
  if (attempt->rc != 0) return;
  if (look.wait > 0) {
    put_off(attempt, mw_buf_str(&look.busy), look.wait);
  } else {
    read_between(attempt, &look);
  }
  mw_stability_fini(&look);
}

static void *thread_main(void *arg) {
  struct mw_generation_reader_attempt *attempt = arg;
  mw_subprocess_bound(&attempt->bounds);
  look_and_read(attempt);
  pthread_mutex_lock(&attempt->lock);
  bool given_up = attempt->given_up;
  attempt->posted = !given_up;
  if (!given_up) mw_loop_post(attempt->loop, &attempt->post);
  pthread_mutex_unlock(&attempt->lock);
  if (!given_up) return NULL;
  attempt_free(attempt);
  atomic_fetch_sub(&left_behind, 1);
  return NULL;
}

/* ---- on the loop ---- */

static void begin(void *arg);
static void give_up(struct mw_generation_reader *reading);

static void end(struct mw_generation_reader *reading, int rc, struct mw_generation *generation, struct mw_err *err) {
  reading->done(reading->arg, rc, generation, err);
}

static void fail(struct mw_generation_reader *reading, int code, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  mw_err_set(&err, code, "%s", words);
  end(reading, code, NULL, &err);
}

static void stop_timer(struct mw_generation_reader *reading) {
  mw_timer_stop(reading->timer);
  reading->timer = NULL;
}

/* Schedules the next attempt, because `path` is being written. Fails after MW_READING_LIMIT_MS. */
static void postpone(struct mw_generation_reader *reading, const char *path, int64_t wait) {
  struct mw_err err = MW_ERR_INIT;
  int64_t left = reading->began + limit - mw_clock_mono();
  if (left <= 0) {
    mw_err_set(&err, MW_EBUSY,
               "%s: does not come to rest: written to, or open and still empty; it is read after its next change",
               path);
    end(reading, err.code, NULL, &err);
    return;
  }
  reading->timer = mw_timer_start(reading->loop, wait < left ? wait : left, begin, reading);
  if (!reading->timer) fail(reading, MW_ENOMEM, "out of memory");
}

static void on_attempted(struct mw_post *post) {
  struct mw_generation_reader_attempt *attempt = MW_CONTAINER(post, struct mw_generation_reader_attempt, post);
  struct mw_generation_reader *reading = attempt->reading;
  pthread_join(attempt->thread, NULL);
  stop_timer(reading);
  reading->attempt = NULL;
  if (attempt->wait > 0) {
    postpone(reading, mw_buf_str(&attempt->busy), attempt->wait);
  } else {
    struct mw_generation *generation = attempt->generation;
    struct mw_err err = attempt->err;
    attempt->generation = NULL;
    attempt->err = (struct mw_err)MW_ERR_INIT;
    end(reading, attempt->rc, generation, &err);
  }
  attempt_free(attempt);
}

static void on_stalled(void *arg);

static void watch_stall(struct mw_generation_reader *reading) {
  reading->timer = mw_timer_start_real(reading->loop, MW_READING_STALL_S * (int64_t)MW_NS_PER_S, on_stalled, reading);
}

/* While protoc runs, its own time limit applies. */
static void on_stalled(void *arg) {
  struct mw_generation_reader *reading = arg;
  reading->timer = NULL;
  if (mw_subprocess_runs(&reading->attempt->bounds)) {
    watch_stall(reading);
    return;
  }
  give_up(reading);
  fail(reading, MW_EIO, "the project folder cannot be read: its file system has not answered for a minute");
}

static struct mw_generation_reader_attempt *new_attempt(struct mw_generation_reader *reading) {
  struct mw_generation_reader_attempt *attempt = calloc(1, sizeof *attempt);
  if (!attempt) return NULL;
  attempt->reading = reading;
  attempt->loop = reading->loop;
  attempt->dir = reading->dir;
  attempt->number = reading->number;
  attempt->previous = reading->previous ? mw_generation_ref(reading->previous) : NULL;
  attempt->overrides = reading->overrides;
  attempt->busy = (struct mw_buf)MW_BUF_INIT;
  attempt->err = (struct mw_err)MW_ERR_INIT;
  attempt->post.run = on_attempted;
  pthread_mutex_init(&attempt->lock, NULL);
  return attempt;
}

static void begin(void *arg) {
  struct mw_generation_reader *reading = arg;
  reading->timer = NULL;
  if (atomic_load(&left_behind) >= MW_READING_LEFT_MAX) {
    fail(reading, MW_EBUSY, "the project folder cannot be read: its file system has not answered earlier attempts");
    return;
  }
  struct mw_generation_reader_attempt *attempt = new_attempt(reading);
  if (!attempt || pthread_create(&attempt->thread, NULL, thread_main, attempt) != 0) {
    if (attempt) attempt_free(attempt);
    fail(reading, MW_ENOMEM, "the project folder cannot be read: no memory for a thread");
    return;
  }
  reading->attempt = attempt;
  watch_stall(reading);
}

/* Leaves the thread to itself, or frees the attempt if it has been posted. */
static void give_up(struct mw_generation_reader *reading) {
  struct mw_generation_reader_attempt *attempt = reading->attempt;
  reading->attempt = NULL;
  stop_timer(reading);
  if (!attempt) return;
  pthread_mutex_lock(&attempt->lock);
  bool posted = attempt->posted;
  pthread_t thread = attempt->thread;
  if (posted) {
    mw_loop_unpost(attempt->loop, &attempt->post);
  } else {
    mw_subprocess_stop(&attempt->bounds);
    atomic_fetch_add(&left_behind, 1);
    attempt->given_up = true;
  }
  pthread_mutex_unlock(&attempt->lock);
  if (posted) {
    pthread_join(thread, NULL);
    attempt_free(attempt);
  } else {
    pthread_detach(thread);
  }
}

void mw_generation_reader_start(struct mw_generation_reader *reading, struct mw_loop *loop, const char *dir,
                                uint64_t number, struct mw_generation *previous, const struct mw_overrides *overrides,
                                mw_generation_reader_done_fn done, void *arg) {
  *reading = (struct mw_generation_reader){.loop = loop,
                                           .dir = dir,
                                           .number = number,
                                           .previous = previous,
                                           .overrides = overrides,
                                           .done = done,
                                           .arg = arg,
                                           .began = mw_clock_mono()};
  begin(reading);
}

bool mw_generation_reader_waits(const struct mw_generation_reader *reading) {
  return reading->timer != NULL || reading->attempt != NULL;
}

const char *mw_generation_reader_activity(const struct mw_generation_reader *reading) {
  if (!reading->attempt) return "waits for files that are being written";
  return mw_subprocess_runs(&reading->attempt->bounds) ? "runs protoc" : "reads the folder";
}

void mw_generation_reader_restart(struct mw_generation_reader *reading) {
  if (!reading->attempt || mw_clock_mono() - reading->began > limit) return;
  give_up(reading);
  begin(reading);
}

void mw_generation_reader_cancel(struct mw_generation_reader *reading) { give_up(reading); }
