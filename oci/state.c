/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders of containers. state.json is replaced whole; marks come and go with one system call. */
#include "oci/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dirs.h"
#include "join/join.h"
#include "oci/folder.h"

/* An engine's ids have 64 letters; the VM's name has 4 more. */
#define ID_MAX 120u

const char *oci_status_name(enum oci_status s)
{
	static const char *const names[] = {[OCI_CREATING] = "creating",
					    [OCI_CREATED] = "created",
					    [OCI_RUNNING] = "running",
					    [OCI_PAUSED] = "paused",
					    [OCI_STOPPED] = "stopped"};

	return names[s];
}

static int check_id(const char *id, struct err *e)
{
	size_t len =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.");

	if (id[len] || len == 0 || len > ID_MAX || id[0] == '.' || id[0] == '-')
		return err_set(e, EINVAL,
			       "container id \"%s\": must be 1 to %u letters, digits or _ + - . "
			       "and must not begin with . or -",
			       id, ID_MAX);
	return 0;
}

static void clear(struct container *c)
{
	memset(c, 0, sizeof(*c));
	c->dir = -1;
}

void container_close(struct container *c)
{
	if (c->dir >= 0)
		(void)close(c->dir);
	free(c->id);
	free(c->bundle);
	free(c->cgroup);
	free(c->pod);
	json_decref(c->annotations);
	clear(c);
}

void container_socket(const struct container *c, char *path, size_t room)
{
	(void)snprintf(path, room, "/proc/self/fd/%d/control", c->dir);
}

/* --- the process --- */

/* Of a process that has ended there is no file, or it cannot be read any more. */
static int read_stat(const char *process, char *text, size_t room, struct err *e)
{
	char path[64];
	ssize_t n = -1;
	int why;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, room - 1);
	why = n == 0 ? EIO : errno;
	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return why == ENOENT || why == ESRCH ? -ESRCH : err_sys(e, why, "read %s", path);
	text[n] = '\0';
	return 0;
}

/* A field of /proc/PROCESS/stat, from the 4th on, of one that has not ended; 0: there is none. A
 * zombie has ended. What cannot be read is an error: the process may run. */
static int stat_field(const char *process, int field, uint64_t *value, struct err *e)
{
	char text[512];
	char *p;
	int rc = read_stat(process, text, sizeof(text), e);

	*value = 0;
	if (rc < 0)
		return rc == -ESRCH ? 0 : rc;
	p = strrchr(text, ')'); /* the name may have any letters */
	if (!p || strlen(p) < 4)
		return err_set(e, EIO, "/proc/%s/stat has another form", process);
	if (p[2] == 'Z' || p[2] == 'X')
		return 0;
	p += 2; /* the state is field 3 */
	for (int i = 3; i < field && p; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return err_set(e, EIO, "/proc/%s/stat has no field %d", process, field);
	*value = strtoull(p, NULL, 10);
	return 0;
}

static int start_time(pid_t pid, uint64_t *value, struct err *e)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return stat_field(text, 22, value, e);
}

pid_t container_engine(void)
{
	uint64_t pid = 0;
	int rc = stat_field("self", 4, &pid, NULL);

	return rc < 0 ? -1 : (pid_t)pid;
}

int container_wait(const struct container *c, int ms, struct err *e)
{
	struct pollfd p = {.events = POLLIN};
	uint64_t since;
	int rc;

	if (c->pid <= 0)
		return 0;
	p.fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (p.fd < 0)
		return errno == ESRCH ? 0
				      : err_sys(e, errno, "container %s: open process %d", c->id,
						(int)c->pid);
	rc = start_time(c->pid, &since, e);
	if (rc < 0) {
		(void)close(p.fd);
		return err_wrap(e, rc, "container %s", c->id);
	}
	rc = since == c->pid_started ? poll(&p, 1, ms) : 1;
	(void)close(p.fd);
	if (rc < 0)
		return err_sys(e, errno, "container %s: wait for process %d", c->id, (int)c->pid);
	return rc > 0 ? 0
		      : err_set(e, ETIMEDOUT, "container %s: process %d did not end", c->id,
				(int)c->pid);
}

/* --- state.json --- */

static int save(const struct container *c, struct err *e)
{
	json_t *j = json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s*, s:s*, s:s*, s:O?}", "id", c->id,
			      "bundle", c->bundle, "pid", (int)c->pid, "pid_started",
			      (json_int_t)c->pid_started, "uuid", c->uuid, "vm", c->vm, "cgroup",
			      c->cgroup, "pod", c->pod, "disk", c->disk[0] ? c->disk : NULL,
			      "annotations", c->annotations);
	int fd = -1;
	int rc = 0;

	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	fd = openat(c->dir, STATE_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || json_dumpfd(j, fd, JSON_COMPACT) < 0 ||
	    renameat(c->dir, STATE_FILE ".new", c->dir, STATE_FILE) < 0)
		rc = err_sys(e, errno, "write %s of container %s", STATE_FILE, c->id);
	if (fd >= 0)
		(void)close(fd);
	json_decref(j);
	return rc;
}

int container_marked(const struct container *c, const char *mark, struct err *e)
{
	if (faccessat(c->dir, mark, F_OK, 0) == 0)
		return 1;
	return errno == ENOENT
		       ? 0
		       : err_sys(e, errno, "container %s: look for its file \"%s\"", c->id, mark);
}

static int find_status(struct container *c, struct err *e)
{
	uint64_t since = 0;
	int rc = c->pid ? start_time(c->pid, &since, e) : 0;

	if (rc < 0)
		return err_wrap(e, rc, "container %s: does its monitor run", c->id);
	if (c->pid == 0) {
		c->status = OCI_CREATING;
		return 0;
	}
	c->status = OCI_STOPPED;
	if (since != c->pid_started || since == 0)
		return 0;
	rc = container_marked(c, "started", e);
	c->status = rc > 0 ? OCI_RUNNING : OCI_CREATED;
	if (rc > 0)
		rc = container_marked(c, "paused", e);
	if (rc > 0)
		c->status = OCI_PAUSED;
	return rc < 0 ? rc : 0;
}

static int take_over(struct container *c, const json_t *j, struct err *e)
{
	const char *uuid = json_string_value(json_object_get(j, "uuid"));
	const char *vm = json_string_value(json_object_get(j, "vm"));
	const char *bundle = json_string_value(json_object_get(j, "bundle"));
	const char *cgroup = json_string_value(json_object_get(j, "cgroup"));
	const char *pod = json_string_value(json_object_get(j, "pod"));
	const char *disk = json_string_value(json_object_get(j, "disk"));
	json_t *annotations = json_object_get(j, "annotations");

	if (!uuid || strlen(uuid) >= sizeof(c->uuid) || !vm || strlen(vm) >= sizeof(c->vm) ||
	    !bundle || (disk && strlen(disk) >= sizeof(c->disk)))
		return err_set(e, EINVAL, "container %s: its %s is damaged", c->id, STATE_FILE);
	memcpy(c->uuid, uuid, strlen(uuid) + 1);
	memcpy(c->vm, vm, strlen(vm) + 1);
	c->pid = (pid_t)json_integer_value(json_object_get(j, "pid"));
	c->pid_started = (uint64_t)json_integer_value(json_object_get(j, "pid_started"));
	c->bundle = strdup(bundle);
	c->cgroup = cgroup ? strdup(cgroup) : NULL;
	c->pod = pod ? strdup(pod) : NULL;
	(void)snprintf(c->disk, sizeof(c->disk), "%s", disk ? disk : "");
	c->annotations = json_is_object(annotations) ? json_incref(annotations) : json_object();
	if (!c->bundle || !c->annotations || (cgroup && !c->cgroup) || (pod && !c->pod))
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

static int load(struct container *c, struct err *e)
{
	json_error_t at;
	json_t *j;
	int fd = openat(c->dir, STATE_FILE, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_sys(e, errno, "read %s of container %s", STATE_FILE, c->id);
	j = json_loadfd(fd, 0, &at);
	(void)close(fd);
	if (!j)
		return err_set(e, EINVAL, "container %s: its %s is damaged: %s", c->id, STATE_FILE,
			       at.text);
	rc = take_over(c, j, e);
	json_decref(j);
	return rc;
}

/* --- folders --- */

static int begin(struct container *c, const char *id, struct err *e)
{
	int rc;

	clear(c);
	rc = check_id(id, e);
	if (rc < 0)
		return rc;
	c->id = strdup(id);
	return c->id ? 0 : err_set(e, ENOMEM, "out of memory");
}

int container_new(struct container *c, const struct oci *o, const char *id, const struct bundle *b,
		  struct err *e)
{
	const json_t *annotations = bundle_get(b, "annotations");
	uint8_t uuid[16];
	int lock;
	int rc = begin(c, id, e);

	if (rc == 0)
		rc = folder_make_root(o, e);
	if (rc == 0)
		rc = uuid_random(uuid, e);
	if (rc < 0)
		return rc;
	uuid_print(uuid, c->uuid);
	(void)snprintf(c->vm, sizeof(c->vm), "oci-%s", id);
	c->bundle = strdup(b->path);
	c->annotations = json_is_object(annotations) ? json_deep_copy(annotations) : json_object();
	if (!c->bundle || !c->annotations)
		return err_set(e, ENOMEM, "out of memory");
	rc = lock = folder_make(o, id, e);
	if (rc < 0)
		return rc;
	c->dir = openat(lock, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* has no lock */
	rc = c->dir < 0 ? err_sys(e, errno, "container %s: open its folder", id) : save(c, e);
	(void)close(lock);
	if (rc < 0)
		(void)container_remove(c, o, NULL);
	return rc;
}

int container_open(struct container *c, const struct oci *o, const char *id, struct err *e)
{
	int rc = begin(c, id, e);
	int root = rc == 0 ? folder_root(o, NULL) : rc;

	if (rc < 0)
		return rc;
	if (root >= 0) {
		c->dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = c->dir < 0 ? -errno : 0;
		(void)close(root);
	} else {
		rc = root;
	}
	if (rc == -ENOENT)
		return err_set(e, ENOENT, "container \"%s\" does not exist", id);
	if (rc < 0)
		return err_sys(e, -rc, "container %s: open its folder", id);
	rc = load(c, e);
	if (rc == -ENOENT)
		return err_set(e, ENOENT,
			       "container \"%s\" does not exist: only its folder is left, which "
			       "\"create\" replaces and \"delete --force\" removes",
			       id);
	return rc == 0 ? find_status(c, e) : rc;
}

int container_set_pod(struct container *c, const char *pod, const char *disk, struct err *e)
{
	if (!c->pod)
		c->pod = strdup(pod);
	if (!c->pod)
		return err_set(e, ENOMEM, "out of memory");
	(void)snprintf(c->disk, sizeof(c->disk), "%s", disk);
	return save(c, e);
}

int container_set_pid(struct container *c, pid_t pid, struct err *e)
{
	int rc = start_time(pid, &c->pid_started, e);

	c->pid = pid;
	return rc < 0 ? rc : save(c, e);
}

int container_set_vm(struct container *c, pid_t pid, const char *uuid, struct err *e)
{
	(void)snprintf(c->uuid, sizeof(c->uuid), "%s", uuid);
	return container_set_pid(c, pid, e);
}

int container_read_uuid(struct container *c, struct err *e)
{
	struct container now = {.dir = c->dir, .id = c->id};
	int rc = load(&now, e);

	if (rc == 0)
		memcpy(c->uuid, now.uuid, sizeof(c->uuid));
	free(now.bundle);
	free(now.cgroup);
	free(now.pod);
	json_decref(now.annotations);
	return rc == -ENOENT ? 0 : rc; /* it is removed: what is known is the last */
}

int container_mark(const struct container *c, const char *mark, bool on, struct err *e)
{
	int fd;

	if (!on) {
		if (unlinkat(c->dir, mark, 0) < 0 && errno != ENOENT)
			return err_sys(e, errno, "container %s: remove its file \"%s\"", c->id,
				       mark);
		return 0;
	}
	fd = openat(c->dir, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "container %s: make its file \"%s\"", c->id, mark);
	(void)close(fd);
	return 0;
}

int container_remove(struct container *c, const struct oci *o, struct err *e)
{
	if (c->uuid[0])
		join_remove(c->uuid);
	return folder_remove(o, c->id, c->dir, e);
}

int container_clear(const struct oci *o, const char *id, struct err *e)
{
	int rc = check_id(id, e);

	return rc < 0 ? rc : folder_remove(o, id, -1, e);
}

json_t *container_json(const struct container *c, enum oci_status s)
{
	json_t *j =
		json_pack("{s:s, s:s, s:s, s:s, s:O}", "ociVersion", "1.0.2", "id", c->id, "status",
			  oci_status_name(s), "bundle", c->bundle, "annotations", c->annotations);

	if (j && c->pid && s != OCI_STOPPED)
		(void)json_object_set_new(j, "pid", json_integer(c->pid));
	return j;
}

int containers_each(const struct oci *o, int (*fn)(const char *id, void *arg), void *arg,
		    struct err *e)
{
	DIR *d = opendir(o->root);
	const struct dirent *entry = NULL;
	int rc = 0;

	if (!d) /* nothing was made yet */
		return errno == ENOENT ? 0 : err_sys(e, errno, "--root \"%s\"", o->root);
	while (rc >= 0 && (entry = dir_next(d, &rc)))
		if (check_id(entry->d_name, NULL) == 0)
			rc = fn(entry->d_name, arg);
	if (rc < 0 && !entry)
		(void)err_sys(e, -rc, "read --root \"%s\"", o->root);
	(void)closedir(d);
	return rc < 0 ? rc : 0;
}
