/* SPDX-License-Identifier: BSD-3-Clause */
/* What processes are to be, as items say; and becoming it. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *say(const char *fmt, ...)
{
	static char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

/* --- items --- */

static bool add(struct list *l, char *text)
{
	char **more = l->n < LIST_MAX ? realloc(l->text, (l->n + 2) * sizeof(*more)) : NULL;

	if (!more) {
		free(text);
		return false;
	}
	l->text = more;
	l->text[l->n++] = text;
	l->text[l->n] = NULL;
	return true;
}

static void clear(struct list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->text[i]);
	free(l->text);
	*l = (struct list){0};
}

static void set(char **to, char *text)
{
	free(*to);
	*to = text;
}

/* Takes the text. */
static bool keep(struct spec *s, char key, char *text)
{
	bool ok = true;

	switch (key) {
	case LINK_K_ARG:
		return add(&s->arg, text);
	case LINK_K_ENV:
		return add(&s->env, text);
	case LINK_K_GROUP:
		return add(&s->group, text);
	case LINK_K_LIMIT:
		return add(&s->limit, text);
	case LINK_K_CWD:
		set(&s->cwd, text);
		return true;
	case LINK_K_TERMINAL:
		set(&s->terminal, text);
		return true;
	case LINK_K_USER:
		set(&s->user, text);
		return true;
	case LINK_K_COPY:
		set(&s->copy, text);
		return true;
	case LINK_K_CAPS:
		set(&s->caps, text);
		return true;
	case LINK_K_CONTAINER:
		s->in = container_get(text);
		ok = s->in != NULL;
		s->lost = !ok;
		break;
	case LINK_K_UID:
		s->uid = (uint32_t)strtoul(text, NULL, 10);
		break;
	case LINK_K_GID:
		s->gid = (uint32_t)strtoul(text, NULL, 10);
		break;
	case LINK_K_UMASK:
		s->umask = (uint32_t)strtoul(text, NULL, 10);
		s->has_umask = true;
		break;
	case LINK_K_NO_NEW:
		s->no_new = true;
		break;
	case LINK_K_OOM:
		s->oom = atoi(text);
		s->has_oom = true;
		break;
	default:
		ok = root_item(spec_container(s), key, text);
	}
	free(text);
	return ok;
}

struct container *spec_container(const struct spec *s)
{
	return s->in ? s->in : &container_vm;
}

const char *spec_item(struct spec *s, const uint8_t *data, size_t len)
{
	char *grown;

	if (len < 2 || s->part_len + len > TEXT_MAX)
		return "an item is no item";
	grown = realloc(s->part, s->part_len + len);
	if (!grown)
		return "out of memory";
	s->part = grown;
	memcpy(s->part + s->part_len, data + 2, len - 2);
	s->part_len += (uint32_t)len - 2;
	if (data[1] == 1)
		return NULL;
	s->part[s->part_len] = '\0';
	s->part = NULL;
	s->part_len = 0;
	return keep(s, (char)data[0], grown)
		       ? NULL
		       : say("item '%c' is not known, or cannot be taken", data[0]);
}

void spec_clear(struct spec *s)
{
	clear(&s->arg);
	clear(&s->env);
	clear(&s->group);
	clear(&s->limit);
	free(s->cwd);
	free(s->terminal);
	free(s->caps);
	free(s->user);
	free(s->copy);
	free(s->part);
	memset(s, 0, sizeof(*s));
}

/* --- in the child --- */

#define CAPS 5 /* bounding, effective, inheritable, permitted, ambient */

/* Of <linux/capability.h>, which musl has not. */
struct cap_head {
	uint32_t version;
	int pid;
};
struct cap_data {
	uint32_t effective, permitted, inheritable;
};
#define CAP_VERSION_3 0x20080522u
#define CAP_LAST      63

static bool read_caps(const char *text, uint64_t set_of[CAPS])
{
	char *end = NULL;

	for (int i = 0; i < CAPS; i++) {
		set_of[i] = strtoull(text, &end, 16);
		if (end == text)
			return false;
		text = end;
	}
	return true;
}

static void drop_bounding(uint64_t bounding)
{
	for (int i = 0; i <= CAP_LAST; i++)
		if (!(bounding >> i & 1))
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

static int set_caps(const uint64_t set_of[CAPS])
{
	struct cap_head head = {.version = CAP_VERSION_3};
	struct cap_data d[2];

	for (int i = 0; i < 2; i++)
		d[i] = (struct cap_data){(uint32_t)(set_of[1] >> (32 * i)),
					 (uint32_t)(set_of[3] >> (32 * i)),
					 (uint32_t)(set_of[2] >> (32 * i))};
	if (syscall(SYS_capset, &head, d) < 0)
		return -1;
	for (int i = 0; i <= CAP_LAST; i++)
		if (set_of[4] >> i & 1)
			(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
	return 0;
}

static int set_limits(const struct spec *s)
{
	for (uint32_t i = 0; i < s->limit.n; i++) {
		char *at = s->limit.text[i];
		long number = strtol(at, &at, 10);
		struct rlimit r = {.rlim_cur = strtoull(at, &at, 10)};

		r.rlim_max = strtoull(at, &at, 10);
		if (setrlimit((int)number, &r) < 0)
			return -1;
	}
	return 0;
}

static int set_ids(const struct spec *s)
{
	gid_t groups[64];
	size_t n = 0;

	for (; n < s->group.n && n < 64; n++)
		groups[n] = (gid_t)strtoul(s->group.text[n], NULL, 10);
	return setgroups(n, groups) < 0 || setgid(s->gid) < 0 || setuid(s->uid) < 0 ? -1 : 0;
}

static void set_oom(const struct spec *s)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%d", s->oom);

	if (fd >= 0 && write(fd, text, (size_t)n) >= 0)
		(void)close(fd);
}

/* As other runtimes do, the working directory is made when it is missing. */
static int enter_cwd(const char *cwd)
{
	char path[4096];

	if (chdir(cwd) == 0 || errno != ENOENT || strlen(cwd) >= sizeof(path))
		return chdir(cwd);
	(void)strcpy(path, cwd);
	for (char *p = path + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(path, 0755);
			*p = '/';
		}
	(void)mkdir(path, 0755);
	return chdir(cwd);
}

const char *process_become(struct spec *s, bool first)
{
	const struct container *c = spec_container(s);
	uint64_t caps[CAPS] = {0};
	bool has_caps = s->caps && read_caps(s->caps, caps);

	if (s->has_oom)
		set_oom(s);
	if ((c->set_up && chroot(container_path(c, "root")) < 0) || chdir("/") < 0)
		return "chroot";
	if (s->user && user_find(s->user, s) < 0)
		return say("user \"%.200s\" is not known in it", s->user);
	if (first)
		root_mount_proc(c);
	if (set_limits(s) < 0)
		return "rlimits";
	if (s->cwd && *s->cwd && enter_cwd(s->cwd) < 0)
		return say("cwd \"%.200s\"", s->cwd);
	if (has_caps) {
		drop_bounding(caps[0]);
		(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	}
	if (set_ids(s) < 0)
		return "user";
	if (has_caps && set_caps(caps) < 0)
		return "capabilities";
	if (s->has_umask)
		(void)umask((mode_t)s->umask);
	if (s->no_new && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "no_new_privs";
	return NULL;
}
