/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of users and groups, of the container's own files. */
#include "guests/linux/agent/agent.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS 64

/* All digits. */
static bool is_number(const char *text, uint32_t *out)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	*out = (uint32_t)n;
	return isdigit((unsigned char)*text) && !*end && n < UINT32_MAX;
}

static bool add(struct list *l, char *text)
{
	char **more = text ? realloc(l->text, (l->n + 2) * sizeof(*more)) : NULL;

	if (!more)
		return false;
	l->text = more;
	l->text[l->n++] = text;
	l->text[l->n] = NULL;
	return true;
}

static void set_home(struct spec *s, const char *home)
{
	char *text = NULL;

	for (uint32_t i = 0; i < s->env.n; i++)
		if (strncmp(s->env.text[i], "HOME=", 5) == 0)
			return;
	if (asprintf(&text, "HOME=%s", home) > 0)
		(void)add(&s->env, text);
}

static void set_groups(struct spec *s, const char *name)
{
	gid_t list[GROUPS];
	int n = GROUPS;

	s->group = (struct list){0};
	if (getgrouplist(name, s->gid, list, &n) < 0)
		n = GROUPS;
	for (int i = 0; i < n; i++) {
		char *text = NULL;

		if (asprintf(&text, "%u", (unsigned int)list[i]) > 0)
			(void)add(&s->group, text);
	}
}

/* There is no more to say of it. */
static int no_such(void)
{
	errno = 0;
	return -1;
}

int user_find(const char *text, struct spec *s)
{
	const char *group = strchr(text, ':');
	char name[256];
	const struct passwd *p;
	const struct group *g;
	size_t len = group ? (size_t)(group - text) : strlen(text);

	if (len == 0 || len >= sizeof(name))
		return no_such();
	memcpy(name, text, len);
	name[len] = '\0';
	if (is_number(name, &s->uid))
		p = getpwuid(s->uid);
	else if (!(p = getpwnam(name)))
		return no_such();
	if (p) {
		s->uid = p->pw_uid;
		s->gid = p->pw_gid;
		set_home(s, p->pw_dir);
		set_groups(s, p->pw_name);
	} else {
		s->gid = 0;
		s->group = (struct list){0};
		set_home(s, "/");
	}
	if (!group)
		return 0;
	s->group = (struct list){0};
	if (is_number(group + 1, &s->gid))
		return 0;
	g = getgrnam(group + 1);
	if (!g)
		return no_such();
	s->gid = g->gr_gid;
	return 0;
}
