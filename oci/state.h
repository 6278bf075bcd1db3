/* SPDX-License-Identifier: BSD-3-Clause */
/* A container's folder, ROOT/ID: what is known about it when no process of ours runs. */
#ifndef CHAOS_OCI_STATE_H
#define CHAOS_OCI_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/uuid.h"
#include "oci/bundle.h"
#include "oci/oci.h"

/* The words of the specification. */
enum oci_status { OCI_CREATING, OCI_CREATED, OCI_RUNNING, OCI_PAUSED, OCI_STOPPED };
const char *oci_status_name(enum oci_status s);

struct container {
	char *id;
	int dir; /* its folder; -1 */
	enum oci_status status;
	pid_t pid;	      /* of the monitor; 0: none yet */
	uint64_t pid_started; /* its start time, /proc/PID/stat: tells it from a later process */
	char uuid[UUID_TEXT]; /* of the VM */
	char vm[160];	      /* its name */
	char *bundle;
	char *cgroup; /* the folder made for it; NULL */
	char *pod;    /* the id of the sandbox in whose VM it is; NULL: it has a VM of its own */
	char disk[8]; /* ... and the disk there that has its image; "": none */
	json_t *annotations;
};

/* Makes the folder of a new one, with its VM's name and uuid, before there is anything else: what
 * is killed from here on is found by "delete". -EEXIST: there is one of that id. */
int container_new(struct container *c, const struct oci *o, const char *id, const struct bundle *b,
		  struct err *e);
/* Reads the one that is there. -ENOENT: there is none, and no VM of it; any other error: that is
 * not known. */
int container_open(struct container *c, const struct oci *o, const char *id, struct err *e);
void container_close(struct container *c);

/* Notes that it is in a pod, and its disk there ("": none). */
int container_set_pod(struct container *c, const char *pod, const char *disk, struct err *e);
/* Notes the monitor, which is a child or grandchild of the caller. */
int container_set_pid(struct container *c, pid_t pid, struct err *e);
/* In the monitor, which is process `pid`: another VM than was noted is the container's. */
int container_set_vm(struct container *c, pid_t pid, const char *uuid, struct err *e);
/* The VM that is noted now. */
int container_read_uuid(struct container *c, struct err *e);
/* Marks are empty files: "started", "paused", "taking". */
int container_mark(const struct container *c, const char *mark, bool on, struct err *e);
/* 1 or 0. */
int container_marked(const struct container *c, const char *mark, struct err *e);
/* The folder and what is in it. */
int container_remove(struct container *c, const struct oci *o, struct err *e);
/* The folder of an id that container_open() does not find, if one was left. -EEXIST: it is there by
 * now. */
int container_clear(const struct oci *o, const char *id, struct err *e);

/* The state as hooks and `state` have it; the caller's. NULL: no memory. */
json_t *container_json(const struct container *c, enum oci_status s);

/* In the monitor, which is process 1 of a namespace: the process of the engine that will be told of
 * its end, as /proc knows it; -1: it cannot be read. */
pid_t container_engine(void);

/* The monitor has ended, or will within `ms`; -ETIMEDOUT. */
int container_wait(const struct container *c, int ms, struct err *e);

/* The path of the control socket, short whatever the folder is called: valid while `c->dir` is
 * open. */
void container_socket(const struct container *c, char *path, size_t room);

/* Each container of the root: its id, in no order. `fn` < 0 ends it. */
int containers_each(const struct oci *o, int (*fn)(const char *id, void *arg), void *arg,
		    struct err *e);

#endif
