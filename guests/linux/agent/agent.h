/* SPDX-License-Identifier: BSD-3-Clause */
/* Process 1 of a container's VM. */
#ifndef CHAOS_AGENT_H
#define CHAOS_AGENT_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guests/linux/link/link.h"

#define TEXT_MAX   131072u /* of one item, as of the kernel's exec */
#define LIST_MAX   4096u
#define LIMITS_MAX 32u

extern struct link agent_link;

/* --- containers --- */

#define CONTAINERS_MAX 16u
#define CONTAINER_NAME 80u
#define MOUNTS_MAX     64u

struct unpack;

/* What has a root of its own. In its folder are "root"; "layer0" and so on, which lie below what
 * "root" has; "opaque"; and "image", where its disk is mounted. */
struct container {
	char name[CONTAINER_NAME];	  /* "": the VM itself */
	char folder[CONTAINER_NAME + 16]; /* "": the initramfs */
	char image[32];			  /* its disk; "": none */
	char *mount[MOUNTS_MAX];	  /* "type\ndestination\noptions" */
	uint32_t n;
	bool readonly, set_up;
	bool shares_pids; /* with the VM */
	bool begun;	  /* it had a first process */
	pid_t first;	  /* ... which runs; 0 */
	struct unpack *archive;
};

extern struct container container_vm;

/* The one of this name, or a new one. NULL: it is no name, or there are too many. */
struct container *container_get(const char *name);
/* A path in its folder, in one text of the agent's. */
const char *container_path(const struct container *c, const char *leaf);
/* What is wrong with bytes of its archive is said by container_archive_end(). */
void container_archive(struct container *c, const uint8_t *bytes, size_t len);
const char *container_archive_end(struct container *c);
/* That process runs in it; it has ended. */
void container_has(struct container *c, pid_t pid);
void container_ended(pid_t pid);
/* Ends what runs in it, and frees what it has. Returns NULL, or why not. */
const char *container_leave(struct container *c);
/* Another host: those that are not set up were not told to the end. */
void containers_begun(void);

/* Takes an archive in pieces, into a folder; links in it are not followed. */
struct unpack *unpack_begin(int dir);
void unpack_bytes(struct unpack *u, const uint8_t *bytes, size_t len);
/* NULL, or what was wrong. */
const char *unpack_end(struct unpack *u);

/* --- as process 1 --- */

void boot_mount_own(void);
/* A distribution's kernel has drivers in files: /modules/order names them. */
void boot_load_modules(void);
/* The VM was restored, and the channel is there again: writes node "data/agent" of the store. */
void boot_tell_ready(void);

/* --- items: what a process or the root is to be --- */

struct list {
	char **text; /* ends with NULL */
	uint32_t n;
};

struct spec {
	struct container *in; /* NULL: the VM itself */
	struct list arg, env, group, limit;
	char *cwd, *terminal, *caps;
	char *user; /* "user[:group]" */
	char *copy; /* "send" or "receive" of files, or "names" */
	uint32_t uid, gid, umask;
	int oom;
	bool has_umask, has_oom, no_new;
	bool lost; /* the container that it names cannot be */
	/* one that comes in pieces */
	char *part;
	uint32_t part_len;
};

/* Takes an item of a session. NULL, or what is wrong with it. */
const char *spec_item(struct spec *s, const uint8_t *data, size_t len);
void spec_clear(struct spec *s);
/* Items of a root (root.c); false: the key is no such. */
bool root_item(struct container *c, char key, const char *text);
/* The container of a session. */
struct container *spec_container(const struct spec *s);

/* --- the root --- */

/* Mounts that each container has, and its devices. Returns NULL, or why not. Where that was not
 * done, what runs has the root of the agent, and no PID namespace of its own. */
const char *root_setup(struct container *c);
/* In the first process: what is only right in its PID namespace. */
void root_mount_proc(const struct container *c);

/* Mounts the root's image, if it has one, with a writable layer in memory over it, at its root.
 * Returns NULL, or why not. */
const char *image_mount(struct container *c);

/* --- the network --- */

bool network_item(const char *text);
/* Does what the items say, in their order. Returns NULL, or why not. */
const char *network_setup(void);

/* --- sessions --- */

struct session {
	bool used, running, exited;
	struct spec spec;
	pid_t pid;
	int code;
	int in, out, err; /* -1: none; of a terminal in and out are the same */
	bool terminal, in_end;
	bool wide;		     /* its pipes have as much room as the ring */
	uint32_t out_room, err_room; /* what the host takes */
	uint8_t *input; /* RING_STREAM bytes: what the process has not taken, from input_at */
	uint32_t input_at, input_len;
	uint32_t in_owed; /* room for input that is to be told to the host */
};

extern struct session agent_session[LINK_SESSIONS];

/* Where input goes until the process takes it; NULL: it takes none, or it is more than was allowed.
 */
uint8_t *session_keep_input(struct session *x, size_t len);
void session_run(uint8_t number);
/* Ends all that belongs to it, at once. */
void session_drop(uint8_t number);
/* The numbers of `user` and its home, of the root that the caller has; -1: there is no such. */
int user_find(const char *text, struct spec *s);
/* In place of a program: sends or receives files. An exit status. */
int copy_run(const struct spec *s);
/* Likewise: takes questions of programs in the VM to the host's name server. */
int names_serve(void);
/* In the child: becomes what the spec says; returns the step that failed, with errno. */
const char *process_become(struct spec *s, bool first);

/* --- the ring (ring.c) --- */

/* The host asks for it, has mapped it, or lost it. */
void ring_message(uint8_t type, const uint8_t *data, size_t len);
void ring_bell(void);
/* Takes the host's messages, and goes on with what has waited for room. */
void ring_serve(void);
bool ring_has_room(void);
/* Output into the ring, at most so much; as read(), and -1 without room. */
ssize_t ring_read(int fd, uint8_t type, uint8_t session, uint32_t most);
/* Another host has begun: that gets a ring of its own. */
void ring_close(void);

/* Formats into one text of the agent's. */
const char *say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
