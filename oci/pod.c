/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers in the VM of a pod: their disks, and their roots. */
#include "oci/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/control.h"
#include "oci/vm.h"

#define MAKE_MS	   300000 /* until Linux has booted, and the root is made */
#define LEAVE_MS   60000
#define END_MS	   10000 /* of the sandbox's monitor, behind its VM */
#define BUSY_TRIES 100	 /* a disk that is being attached; they are BUSY_MS apart */
#define BUSY_MS	   100

/* xvda is the disk of a sandbox that has a root. */
#define DISK_FIRST 1u
#define DISKS_END  16u

const char *pod_name(const struct container *c)
{
	return c->uuid;
}

/* --- the VM's part --- */

static int into_file(const json_t *j, struct err *e)
{
	int fd = memfd_create("container", MFD_CLOEXEC);

	if (fd >= 0 && j && json_dumpfd(j, fd, JSON_COMPACT) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return err_sys(e, j ? errno : ENOMEM, "write the description of the container");
}

/* Takes the words. */
static int ask(const struct container *sandbox, enum control_op op, json_t *words, int archive,
	       int ms, struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int text = into_file(words, e);
	int files[CONTROL_FILES] = {text, archive >= 0 ? archive : null, null, null};
	int rc = text;
	int fd = -1;

	json_decref(words);
	if (rc >= 0 && null < 0)
		rc = err_sys(e, errno, "/dev/null");
	if (rc >= 0)
		rc = fd = control_begin(sandbox, op, 0, files, CONTROL_FILES, e);
	if (rc >= 0)
		rc = control_hear(fd, ms, sandbox, e);
	if (fd >= 0)
		(void)close(fd);
	if (text >= 0)
		(void)close(text);
	if (null >= 0)
		(void)close(null);
	return rc < 0 ? rc : 0;
}

/* --- its disk --- */

struct names {
	const struct oci *o;
	const struct container *c, *sandbox;
	uint32_t taken; /* a bit for each letter */
};

static int note_name(const char *id, void *arg)
{
	struct names *n = arg;
	struct container other;
	int rc = container_open(&other, n->o, id, NULL);

	if (rc == 0 && other.pod && strcmp(other.pod, n->sandbox->id) == 0 &&
	    strcmp(id, n->c->id) != 0 && strlen(other.disk) == 4)
		n->taken |= 1u << (other.disk[3] & 31);
	container_close(&other);
	/* what is being made or removed has none, and of what is damaged none is ever detached */
	return rc == -ENOENT || rc == -EINVAL ? 0 : rc;
}

/* What is killed from here on is found by "delete": its disk is noted before it is there. So no
 * two may note the same name, and the sandbox's folder is locked meanwhile. */
static int attach_first_free(struct container *c, const struct names *n, const char *path,
			     struct err *e)
{
	int rc = err_set(e, EEXIST, "the pod's VM has as many disks as it can have");

	for (uint32_t i = DISK_FIRST; rc == -EEXIST && i < DISKS_END; i++) {
		char vdev[sizeof(c->disk)];
		char *disk = NULL;

		if (n->taken & 1u << (i + 1))
			continue;
		(void)snprintf(vdev, sizeof(vdev), "xvd%c", 'a' + (int)i);
		if (asprintf(&disk, "disk=format=raw,vdev=%s,access=ro,target=%s", vdev, path) < 0)
			return err_set(e, ENOMEM, "out of memory");
		rc = container_set_pod(c, n->sandbox->id, vdev, e);
		if (rc == 0)
			rc = vm_attach(n->sandbox->uuid, disk, e);
		free(disk);
	}
	if (rc == -EEXIST) /* the VM has another disk of the last name that was noted */
		(void)container_set_pod(c, n->sandbox->id, "", NULL);
	return rc;
}

static int attach(struct container *c, const struct container *sandbox, const char *path,
		  const struct oci *o, struct err *e)
{
	struct names n = {.o = o, .c = c, .sandbox = sandbox};
	int rc;

	while (flock(sandbox->dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock the folder of container %s", sandbox->id);
	rc = containers_each(o, note_name, &n, e);
	if (rc < 0)
		rc = err_sys(e, -rc, "read which disks the containers of the pod have");
	else
		rc = attach_first_free(c, &n, path, e);
	(void)flock(sandbox->dir, LOCK_UN);
	return rc;
}

/* An attach that was begun may still be under way. */
static int detach(const struct container *c, const struct container *sandbox, uint32_t flags,
		  struct err *e)
{
	int rc = vm_detach(sandbox->uuid, c->disk, flags, e);

	for (int i = 0; rc == -EBUSY && i < BUSY_TRIES; i++) {
		(void)poll(NULL, 0, BUSY_MS);
		rc = vm_detach(sandbox->uuid, c->disk, flags, e);
	}
	return rc;
}

/* --- in and out --- */

int pod_join(struct container *c, const struct container *sandbox, const struct bundle *b,
	     const struct plan *p, const struct oci *o, struct err *e)
{
	int rc = container_set_pod(c, sandbox->id, "", e);

	if (rc == 0 && p->image.path)
		rc = attach(c, sandbox, p->image.path, o, e);
	if (rc < 0)
		return rc;
	rc = ask(sandbox, CONTROL_MAKE, pod_words(b, c), p->initrd_fd, MAKE_MS, e);
	/* there is no room for what would ask it to leave, either */
	if (rc == -EBUSY && c->disk[0])
		(void)detach(c, sandbox, 0, NULL);
	return rc;
}

static bool is_there(const struct container *sandbox)
{
	return sandbox->status == OCI_CREATED || sandbox->status == OCI_RUNNING;
}

static int leave(const struct container *c, const struct container *sandbox, struct err *e)
{
	json_t *words = json_pack("{s:s}", "container", pod_name(c));
	int rc = ask(sandbox, CONTROL_LEAVE, words, -1, LEAVE_MS, e);
	/* what does not answer, or refuses, does not let go of the disk, either */
	bool force = rc == -ETIMEDOUT || rc == -EIO;

	if (rc == 0 || force)
		rc = c->disk[0] ? detach(c, sandbox, force ? CHAOS_FORCE : 0, e) : 0;
	if (rc < 0 && container_wait(sandbox, rc == -EPIPE || rc == -ESRCH ? END_MS : 0, NULL) == 0)
		rc = 0;
	return rc;
}

int pod_leave(const struct container *c, const struct oci *o, struct err *e)
{
	struct container sandbox;
	int rc = container_open(&sandbox, o, c->pod, e);

	if (rc == 0 && is_there(&sandbox))
		rc = leave(c, &sandbox, e);
	else if (rc == 0 && sandbox.status != OCI_STOPPED)
		rc = err_set(e, EAGAIN, "its sandbox is %s", oci_status_name(sandbox.status));
	else if (rc == -ENOENT) /* the VM was removed before */
		rc = 0;
	container_close(&sandbox);
	return rc < 0 ? err_wrap(e, rc, "container %s cannot leave the VM of pod %s", c->id, c->pod)
		      : 0;
}

int pod_open(const struct bundle *b, const struct oci *o, struct container *sandbox, struct err *e)
{
	const char *id = pod_sandbox(b);
	int rc;

	if (!id || !*id)
		return err_set(e, ENOENT,
			       "config.json: annotations: this is a container of a pod, but no "
			       "annotation names its sandbox");
	rc = container_open(sandbox, o, id, e);
	if (rc == 0 && (sandbox->pod || !is_there(sandbox)))
		rc = err_set(e, EINVAL, "the container's sandbox \"%s\" is %s", id,
			     sandbox->pod ? "not a sandbox" : oci_status_name(sandbox->status));
	return rc;
}
