/* mw.host: figures of this machine and process, as the kernel reports them. The kernel generates /proc in memory:
 * reading it does not block. It costs microseconds, so each figure is read at most ten times a second. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/status.h"

enum { SAMPLE_INTERVAL_MS = 100 };

struct cpu_times {
  uint64_t busy, total; /* in ticks since the machine's start */
};

/* The last samples of a program; upvalue 2 of the functions that read them. Times are of mw_clock_real(), 0 before the
 * first sample. */
struct samples {
  struct cpu_times cpu;
  double cpu_percent;
  int64_t cpu_at;
  uint64_t total, available; /* memory in bytes */
  int64_t memory_at;
  size_t resident; /* bytes */
  double cpu_seconds;
  int64_t process_at;
};

static struct samples *samples_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(2)); }

/* True if a sample taken at `at` is too old to be used again, or if there is none yet. */
static bool is_old(int64_t at) { return at == 0 || mw_clock_real() - at >= (int64_t)SAMPLE_INTERVAL_MS * MW_NS_PER_MS; }

/* proc(5): user, nice, system, idle, iowait, irq, softirq, steal. */
static bool read_cpu(struct cpu_times *times) {
  FILE *file = fopen("/proc/stat", "re");
  if (!file) return false;
  uint64_t t[8] = {0};
  int n = 0;
  if (fscanf(file, "cpu") == 0) {
    while (n < 8 && fscanf(file, "%" SCNu64, &t[n]) == 1) n++;
  }
  fclose(file);
  if (n < 4) return false;
  *times = (struct cpu_times){0, 0};
  for (int i = 0; i < 8; i++) times->total += t[i];
  times->busy = times->total - t[3] - t[4];
  return true;
}

/* mw.host.cpu_usage(): load of all processors since the last sample, in percent. Closer samples would differ by a few
 * ticks of the kernel's clock, which is mostly noise. */
static int l_cpu_usage(lua_State *L) {
  struct samples *samples = samples_of(L);
  struct cpu_times now, last = samples->cpu;
  if (is_old(samples->cpu_at)) {
    if (!read_cpu(&now)) return mw_bind_fail(L, MW_CODE_UNAVAILABLE, "/proc/stat cannot be read");
    uint64_t total = now.total - last.total, busy = now.busy - last.busy;
    if (now.total > last.total && busy <= total) samples->cpu_percent = 100.0 * (double)busy / (double)total;
    samples->cpu = now;
    samples->cpu_at = mw_clock_real();
  }
  lua_pushnumber(L, samples->cpu_percent);
  return 1;
}

static bool read_memory(uint64_t *total_kb, uint64_t *available_kb) {
  FILE *file = fopen("/proc/meminfo", "re");
  if (!file) return false;
  char line[128];
  *total_kb = *available_kb = 0;
  while (fgets(line, sizeof line, file)) {
    sscanf(line, "MemTotal: %" SCNu64, total_kb);
    if (sscanf(line, "MemAvailable: %" SCNu64, available_kb) == 1) break;
  }
  fclose(file);
  return *total_kb > 0;
}

static void set_bytes(lua_State *L, const char *name, uint64_t bytes) {
  lua_pushinteger(L, (lua_Integer)bytes);
  lua_setfield(L, -2, name);
}

/* mw.host.memory(): memory of the machine, in bytes */
static int l_memory(lua_State *L) {
  struct samples *samples = samples_of(L);
  uint64_t total_kb, available_kb;
  if (is_old(samples->memory_at)) {
    if (!read_memory(&total_kb, &available_kb)) {
      return mw_bind_fail(L, MW_CODE_UNAVAILABLE, "/proc/meminfo cannot be read");
    }
    samples->total = total_kb * 1024;
    samples->available = available_kb * 1024;
    samples->memory_at = mw_clock_real();
  }
  lua_createtable(L, 0, 3);
  set_bytes(L, "total", samples->total);
  set_bytes(L, "available", samples->available);
  set_bytes(L, "used", samples->total - samples->available);
  return 1;
}

/* mw.host.process(): figures of this process; resident memory in bytes */
static int l_process(lua_State *L) {
  struct samples *samples = samples_of(L);
  uv_rusage_t usage;
  if (is_old(samples->process_at)) {
    if (uv_resident_set_memory(&samples->resident) != 0 || uv_getrusage(&usage) != 0) {
      return mw_bind_fail(L, MW_CODE_UNAVAILABLE, "the kernel does not report figures of this process");
    }
    samples->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    samples->process_at = mw_clock_real();
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  set_bytes(L, "memory", samples->resident);
  lua_pushnumber(L, samples->cpu_seconds);
  lua_setfield(L, -2, "cpu_seconds");
  return 1;
}

/* mw.host.requests(): number of calls that all workers of this process have completed */
static int l_requests(lua_State *L) {
  double total = 0;
  mw_metrics_total(mw_bind_program(L)->host->metrics, "moonwire_calls_total", &total, NULL);
  lua_pushinteger(L, (lua_Integer)total);
  return 1;
}

/* Adds the functions that share samples to the table at the top. */
static void add_sampled(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {
      {"cpu_usage", l_cpu_usage}, {"memory", l_memory}, {"process", l_process}, {NULL, NULL}};
  mw_program_push(L, program);
  struct samples *samples = lua_newuserdatauv(L, sizeof *samples, 0);
  *samples = (struct samples){.cpu_at = mw_clock_real()};
  read_cpu(&samples->cpu);
  luaL_setfuncs(L, functions, 2);
}

void mw_bind_open_host(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"requests", l_requests}, {NULL, NULL}};
  char name[UV_MAXHOSTNAMESIZE] = "localhost";
  size_t size = sizeof name;
  uv_os_gethostname(name, &size);
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  add_sampled(L, program);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_pushinteger(L, uv_available_parallelism());
  lua_setfield(L, -2, "cpus");
  lua_setfield(L, -2, "host");
}
