#include "server/files/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "server/files/fs.h"

enum { ATTEMPTS = 10 };

static const char name_begins[] = "moonwire-tmp-";

static int open_folder(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

static bool take_lock(int fd) { return flock(fd, LOCK_EX | LOCK_NB) == 0; }

/* Folders that this process has made, for mw_temporary_remove_all(). */
struct made {
  struct mw_list link;
  char path[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `all` */
static struct mw_list all = {&all, &all};

static void remember(const char *path) {
  struct made *made = malloc(sizeof *made + strlen(path) + 1);
  if (!made) return;
  strcpy(made->path, path);
  pthread_mutex_lock(&lock);
  mw_list_push(&all, &made->link);
  pthread_mutex_unlock(&lock);
}

static void forget(const char *path) {
  struct mw_list *next;
  pthread_mutex_lock(&lock);
  for (struct mw_list *node = all.next; node != &all; node = next) {
    struct made *made = MW_CONTAINER(node, struct made, link);
    next = node->next;
    if (strcmp(made->path, path) != 0) continue;
    mw_list_remove(node);
    free(made);
  }
  pthread_mutex_unlock(&lock);
}

void mw_temporary_remove_all(void) {
  pthread_mutex_lock(&lock);
  for (struct mw_list *node = all.next; node != &all; node = node->next) {
    mw_folder_remove(MW_CONTAINER(node, struct made, link)->path);
  }
  pthread_mutex_unlock(&lock);
}

/* ---- folders of processes that have ended ---- */

/* True if the folder's owner and mode are those of a temporary folder of this user. */
static bool is_private(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 07777) == 0700;
}

static void remove_if_left(const char *place, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", place, name) < 0) return;
  int fd = open_folder(path);
  if (fd >= 0 && is_private(fd) && take_lock(fd)) mw_folder_remove(path);
  if (fd >= 0) close(fd);
  free(path);
}

static void sweep(const char *place) {
  DIR *folder = opendir(place);
  if (!folder) return;
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strncmp(entry->d_name, name_begins, sizeof name_begins - 1) == 0) remove_if_left(place, entry->d_name);
  }
  closedir(folder);
}

/* ---- folders of this process ---- */

/* Locks a new folder. Until then, the sweep of another process may remove it. Without support for locks there are no
 * sweeps either. Returns 0, an errno value, or EAGAIN if the folder was removed. */
static int keep(struct mw_temporary *made) {
  struct stat info;
  made->lock = open_folder(made->path);
  if (made->lock < 0) return errno == ENOENT ? EAGAIN : errno;
  if (!take_lock(made->lock) && errno == EWOULDBLOCK) return EAGAIN;
  return fstat(made->lock, &info) == 0 && info.st_nlink > 0 ? 0 : EAGAIN;
}

/* Makes a folder and locks it. Leaves nothing on failure. Returns 0 or an errno value, as keep(). */
static int make(const char *place, struct mw_temporary *made) {
  *made = (struct mw_temporary)MW_TEMPORARY_INIT;
  if (asprintf(&made->path, "%s/%sXXXXXX", place, name_begins) < 0) {
    made->path = NULL;
    return ENOMEM;
  }
  bool is_made = mkdtemp(made->path) != NULL;
  int error = is_made ? keep(made) : errno;
  if (error == 0) return 0;
  if (is_made) rmdir(made->path);
  if (made->lock >= 0) close(made->lock);
  free(made->path);
  return error;
}

int mw_temporary_make(struct mw_temporary *out, struct mw_err *err) {
  const char *tmp = getenv("TMPDIR"), *place = tmp && *tmp ? tmp : "/tmp";
  struct mw_temporary made;
  int error = EAGAIN;
  sweep(place);
  for (int i = 0; i < ATTEMPTS && error == EAGAIN; i++) error = make(place, &made);
  if (error != 0) {
    return mw_err_set(err, error == ENOMEM ? MW_ENOMEM : MW_EIO, "cannot make a temporary folder in %s: %s", place,
                      strerror(error));
  }
  remember(made.path);
  *out = made;
  return 0;
}

void mw_temporary_remove(struct mw_temporary *temporary) {
  if (!temporary->path) return;
  forget(temporary->path);
  mw_folder_remove(temporary->path);
  close(temporary->lock);
  free(temporary->path);
  *temporary = (struct mw_temporary)MW_TEMPORARY_INIT;
}
