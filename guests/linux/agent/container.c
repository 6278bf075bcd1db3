/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers of the VM: each has a name that the host gives, and a folder. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	if (mkdir(c->folder, 0755) < 0 || mkdir(container_path(c, "root"), 0755) < 0) {
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

void containers_begun(void)
{
	if (!container_vm.set_up)
		forget_items(&container_vm);
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++)
		if (others[i] && !others[i]->set_up)
			forget_items(others[i]);
}
