/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers in the VM of a pod: their disks, and their roots. */
#include "oci/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/control.h"
#include "oci/vm.h"

#define MAKE_MS	  300000 /* until Linux has booted, and the root is made */
#define LEAVE_MS  60000
#define DISKS_MAX 16

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

/* The first name that no other disk of the VM has, into `vdev`. */
static int attach(const struct container *sandbox, const char *path, char *vdev, size_t room,
		  struct err *e)
{
	int rc = -EEXIST;

	for (int i = 0; rc == -EEXIST && i < DISKS_MAX; i++) {
		char *disk = NULL;

		(void)snprintf(vdev, room, "xvd%c", 'a' + i);
		if (asprintf(&disk, "disk=format=raw,vdev=%s,access=ro,target=%s", vdev, path) < 0)
			return err_set(e, ENOMEM, "out of memory");
		rc = vm_attach(sandbox->uuid, disk, e);
		free(disk);
	}
	return rc;
}

int pod_join(struct container *c, const struct container *sandbox, const struct bundle *b,
	     const struct plan *p, struct err *e)
{
	char vdev[sizeof(c->disk)] = "";
	int rc = container_set_pod(c, sandbox->id, "", e);

	if (rc == 0 && p->image.path)
		rc = attach(sandbox, p->image.path, vdev, sizeof(vdev), e);
	if (rc == 0)
		rc = container_set_pod(c, sandbox->id, vdev, e);
	if (rc == 0)
		rc = ask(sandbox, CONTROL_MAKE, pod_words(b, c), p->initrd_fd, MAKE_MS, e);
	return rc;
}

static bool is_there(const struct container *sandbox)
{
	return sandbox->status == OCI_CREATED || sandbox->status == OCI_RUNNING;
}

int pod_leave(const struct container *c, const struct oci *o, struct err *e)
{
	struct container sandbox;
	json_t *words;
	int rc = container_open(&sandbox, o, c->pod, NULL);
	int asked = -EPIPE;

	if (rc < 0 || !is_there(&sandbox)) {
		container_close(&sandbox);
		return 0;
	}
	words = json_pack("{s:s}", "container", pod_name(c));
	asked = ask(&sandbox, CONTROL_LEAVE, words, -1, LEAVE_MS, e);
	/* what does not answer does not let go of it, either */
	if (c->disk[0])
		rc = vm_detach(sandbox.uuid, c->disk, asked < 0 ? CHAOS_FORCE : 0, e);
	if (rc == -ESRCH || rc == -ENODEV || rc == -ENOENT ||
	    container_wait(&sandbox, 0, NULL) == 0)
		rc = 0;
	container_close(&sandbox);
	return rc;
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
