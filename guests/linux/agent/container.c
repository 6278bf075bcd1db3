/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers of the VM: each has a name that the host gives, and a folder. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/linux/tree/tree.h"

#define FOLDER "/c"

struct container container_vm;
static struct container *others[CONTAINERS_MAX];

static struct container *make(struct container **place, const char *name)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	(void)snprintf(c->folder, sizeof(c->folder), FOLDER "/%s", name);
	(void)mkdir(FOLDER, 0700);
	/* with all that is mounted below it goes at once */
	if (mkdir(c->folder, 0755) < 0 || mount("tmpfs", c->folder, "tmpfs", 0, "mode=0755") < 0 ||
	    mkdir(container_path(c, "root"), 0755) < 0) {
		(void)umount2(c->folder, MNT_DETACH);
		(void)rmdir(c->folder);
		free(c);
		return NULL;
	}
	*place = c;
	return c;
}

struct container *container_get(const char *name)
{
	struct container **place = NULL;

	if (!*name || *name == '.' || strpbrk(name, "/:,\\") || strlen(name) >= CONTAINER_NAME)
		return NULL;
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++)
		if (others[i] && strcmp(others[i]->name, name) == 0)
			return others[i];
		else if (!others[i] && !place)
			place = &others[i];
	return place ? make(place, name) : NULL;
}

const char *container_path(const struct container *c, const char *leaf)
{
	static char text[2][4200];
	static int which;

	which = !which;
	(void)snprintf(text[which], sizeof(text[which]), "%s/%s", c->folder, leaf);
	return text[which];
}

void container_archive(struct container *c, const uint8_t *bytes, size_t len)
{
	if (c->set_up)
		return;
	if (!c->archive) {
		const char *path = c->folder[0] ? c->folder : "/";

		c->archive = unpack_begin(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	}
	if (c->archive)
		unpack_bytes(c->archive, bytes, len);
}

const char *container_archive_end(struct container *c)
{
	const char *failed = c->archive ? unpack_end(c->archive) : NULL;

	c->archive = NULL;
	return failed;
}

void container_has(struct container *c, pid_t pid)
{
	if (!c->set_up || c->begun)
		return;
	c->begun = true;
	c->first = pid;
}

void container_ended(pid_t pid)
{
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++)
		if (others[i] && others[i]->first == pid)
			others[i]->first = 0;
	if (container_vm.first == pid)
		container_vm.first = 0;
}

static void forget_items(struct container *c)
{
	(void)container_archive_end(c);
	while (c->n)
		free(c->mount[--c->n]);
	c->image[0] = '\0';
	c->readonly = false;
}

/* All processes whose root is that of the container, also those that left their sessions. -errno:
 * not all of them were found. */
static int kill_all(const struct container *c)
{
	DIR *d = opendir("/proc");
	const struct dirent *entry;
	int rc;

	while (d && (entry = tree_dir_next(d))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		char link[64];
		char to[256];
		ssize_t n;

		(void)snprintf(link, sizeof(link), "/proc/%d/root", (int)pid);
		n = pid > 1 ? readlink(link, to, sizeof(to) - 1) : -1;
		to[n > 0 ? n : 0] = '\0';
		if (strcmp(to, container_path(c, "root")) == 0)
			(void)kill(pid, SIGKILL);
	}
	rc = -errno;
	if (d)
		(void)closedir(d);
	return rc;
}

const char *container_leave(struct container *c)
{
	const char *failed = NULL;
	uint32_t i = 0;
	int rc;

	while (i < CONTAINERS_MAX && others[i] != c)
		i++;
	if (i == CONTAINERS_MAX)
		return "it is not a container beside others";
	rc = kill_all(c);
	if (rc < 0)
		failed = say("kill all of the container: /proc: %s", strerror(-rc));
	/* what still ends there frees the rest; its disk is in use so long */
	if (umount2(c->folder, MNT_DETACH) < 0)
		failed = say("unmount %s: %s", c->folder, strerror(errno));
	(void)rmdir(c->folder);
	for (uint8_t k = 0; k < LINK_SESSIONS; k++)
		if (agent_session[k].spec.in == c)
			spec_clear(&agent_session[k].spec);
	forget_items(c);
	free(c);
	others[i] = NULL;
	return failed;
}

void containers_begun(void)
{
	if (!container_vm.set_up)
		forget_items(&container_vm);
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++)
		if (others[i] && !others[i]->set_up)
			forget_items(others[i]);
}
