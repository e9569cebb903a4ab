#include "server/generation/spec_gate.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "schema/load/find.h"
#include "server/files/temporary.h"
#include "server/generation/gate_report.h"
#include "server/generation/snapshot.h"

enum { NICENESS = 10 };
enum { OUTPUT_LIMIT = 1 << 20, OUTPUT_NS = MW_NS_PER_S }; /* OUTPUT_NS: wait for output after the process has ended */

/* Output of the process, truncated at the limit. */
struct output {
  uv_pipe_t pipe;
  struct mw_buf text;
};

struct mw_spec_gate {
  struct mw_loop *home;
  const char *dir;
  struct mw_temporary folder;
  uv_process_t process;
  struct output out, errors;
  unsigned handles; /* number of open handles */
  bool started;
  int64_t code;
  struct mw_timer *timer;
  char why[128]; /* reason of a stop; "" if the process ended by itself */
  mw_gate_done_fn done;
  void *arg;
};

bool mw_spec_gate_wanted(const struct mw_generation *candidate, const char *dir) {
  char folder[PATH_MAX];
  struct mw_file_list list;
  if (!candidate->settings.specs) return false;
  snprintf(folder, sizeof folder, "%s/spec", dir);
  if (mw_find_files(&list, folder, "_spec.lua", NULL) != 0) return true; /* the run reports the error */
  bool any = list.n > 0;
  mw_file_list_fini(&list);
  return any;
}

/* ---- the end ---- */

static void free_gate(struct mw_spec_gate *gate) {
  mw_timer_stop(gate->timer);
  mw_temporary_remove(&gate->folder);
  mw_buf_fini(&gate->out.text);
  mw_buf_fini(&gate->errors.text);
  free(gate);
}

/* Runs when all handles are closed. */
static void finish(struct mw_spec_gate *gate) {
  struct mw_err err = MW_ERR_INIT;
  int rc = 0;
  if (*gate->why) {
    rc = mw_err_set(&err, MW_ECLOSED, "%s", gate->why);
  } else if (gate->code != 0) {
    rc = mw_spec_gate_report(gate->dir, mw_buf_str(&gate->out.text), mw_buf_str(&gate->errors.text), &err);
  }
  bool started = gate->started;
  mw_gate_done_fn done = gate->done;
  void *arg = gate->arg;
  free_gate(gate);
  if (started) done(arg, rc, &err);
}

static void on_closed(uv_handle_t *handle) {
  struct mw_spec_gate *gate = handle->data;
  if (--gate->handles == 0) finish(gate);
}

static void close_handle(uv_handle_t *handle) {
  if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

/* The process leads a group that contains its children. */
static void kill_all(struct mw_spec_gate *gate) { kill(-gate->process.pid, SIGKILL); }

static void give_up_output(void *arg) {
  struct mw_spec_gate *gate = arg;
  gate->timer = NULL;
  close_handle((uv_handle_t *)&gate->out.pipe);
  close_handle((uv_handle_t *)&gate->errors.pipe);
}

static void on_exit_of(uv_process_t *process, int64_t code, int signal) {
  struct mw_spec_gate *gate = process->data;
  gate->code = signal != 0 ? 128 + signal : code;
  kill_all(gate);
  mw_timer_stop(gate->timer);
  gate->timer = mw_timer_start(gate->home, OUTPUT_NS, give_up_output, gate);
  if (!gate->timer) give_up_output(gate);
  close_handle((uv_handle_t *)process);
}

void mw_spec_gate_stop(struct mw_spec_gate *gate, const char *why) {
  if (*gate->why || uv_is_closing((uv_handle_t *)&gate->process)) return;
  snprintf(gate->why, sizeof gate->why, "%s", why);
  kill_all(gate);
}

static void on_late(void *arg) {
  struct mw_spec_gate *gate = arg;
  gate->timer = NULL;
  mw_spec_gate_stop(gate, "the specs did not end within reload.specs_seconds");
}

/* ---- output ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  struct mw_spec_gate *gate = handle->data;
  struct output *output = handle == (uv_handle_t *)&gate->out.pipe ? &gate->out : &gate->errors;
  if (output->text.len > OUTPUT_LIMIT) output->text.len = OUTPUT_LIMIT;
  bool room = mw_buf_reserve(&output->text, 4096) == 0;
  *buf = room ? uv_buf_init((char *)output->text.data + output->text.len, 4095) : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct mw_spec_gate *gate = stream->data;
  struct output *output = stream == (uv_stream_t *)&gate->out.pipe ? &gate->out : &gate->errors;
  if (n < 0) {
    close_handle((uv_handle_t *)stream);
  } else {
    output->text.len += (size_t)n;
    if (output->text.data) output->text.data[output->text.len] = '\0';
  }
}

/* ---- the beginning ---- */

static void open_pipe(struct mw_spec_gate *gate, struct output *output) {
  uv_pipe_init(&gate->home->uv, &output->pipe, 0);
  output->pipe.data = gate;
  gate->handles++;
}

static int spawn(struct mw_spec_gate *gate) {
  static char self[] = "/proc/self/exe", test[] = "test", plain[] = "--output=plainTerminal";
  char of[32]; /* makes the process end when the server is killed */
  char original[PATH_MAX] = "", from[PATH_MAX + 16];
  char *args[] = {self, test, of, from, gate->folder.path, plain, NULL};
  snprintf(of, sizeof of, "--of=%d", (int)getpid());
  if (!realpath(gate->dir, original)) *original = '\0';
  snprintf(from, sizeof from, "--copied-from=%s", original);
  uv_stdio_container_t stdio[3] = {
      {.flags = UV_IGNORE},
      {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&gate->out.pipe},
      {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&gate->errors.pipe}};
  uv_process_options_t options = {.file = self, .args = args, .flags = UV_PROCESS_DETACHED, .exit_cb = on_exit_of};
  options.stdio = stdio;
  options.stdio_count = 3;
  open_pipe(gate, &gate->out);
  open_pipe(gate, &gate->errors);
  gate->process.data = gate;
  gate->handles++;
  return uv_spawn(&gate->home->uv, &gate->process, &options);
}

static int start(struct mw_spec_gate *gate, double seconds, struct mw_err *err) {
  int status = spawn(gate);
  if (status != 0) {
    mw_err_set(err, MW_EIO, "the specs cannot run: %s", uv_strerror(status));
    close_handle((uv_handle_t *)&gate->out.pipe);
    close_handle((uv_handle_t *)&gate->errors.pipe);
    close_handle((uv_handle_t *)&gate->process);
    return MW_EIO; /* on_closed() frees the gate */
  }
  gate->started = true;
  setpriority(PRIO_PROCESS, (id_t)gate->process.pid, NICENESS); /* lower than calls */
  uv_read_start((uv_stream_t *)&gate->out.pipe, on_alloc, on_read);
  uv_read_start((uv_stream_t *)&gate->errors.pipe, on_alloc, on_read);
  gate->timer = mw_timer_start(gate->home, mw_duration_from_seconds(seconds), on_late, gate);
  if (!gate->timer) mw_spec_gate_stop(gate, "the specs cannot run: out of memory");
  return 0;
}

int mw_spec_gate_open(struct mw_spec_gate **out, struct mw_loop *home, const struct mw_generation *candidate,
                      const char *dir, const char *data_dir, mw_gate_done_fn done, void *arg, struct mw_err *err) {
  char data[PATH_MAX] = "";
  struct mw_spec_gate *gate = calloc(1, sizeof *gate);
  if (!gate) return mw_err_set(err, MW_ENOMEM, "out of memory");
  *gate = (struct mw_spec_gate){.home = home, .dir = dir, .folder = MW_TEMPORARY_INIT, .done = done, .arg = arg};
  if (!realpath(data_dir, data)) *data = '\0';
  int rc = mw_temporary_make(&gate->folder, err);
  if (rc == 0) rc = mw_snapshot_write(candidate, dir, data, gate->folder.path, err);
  if (rc != 0) {
    free_gate(gate);
    return rc;
  }
  rc = start(gate, candidate->settings.specs_seconds, err);
  if (rc == 0) *out = gate;
  return rc;
}
