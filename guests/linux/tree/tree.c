/* SPDX-License-Identifier: BSD-3-Clause */
/* The form of a stream. What comes of a guest is checked here, and bounded. */
#include "guests/linux/tree/tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int tree_fault(struct tree_fault *f, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	for (char *p = f->text; *p; p++) /* names may be anything */
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	f->code = code;
	return -code;
}

/* --- names --- */

bool tree_name_is_clean(const char *name)
{
	unsigned int depth = 0;

	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 0 || len > 255 || ++depth > TREE_DEPTH || (len == 1 && name[0] == '.') ||
		    (len == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		name += len;
		if (*name == '/' && !*++name)
			return false;
	}
	return depth > 0;
}

/*
 * ".." may only come first, and not more often than the link is deep: then the folder where each
 * link is looked up is inside, and so is all that one finds from there downwards.
 */
bool tree_link_leaves(const char *name, const char *to)
{
	unsigned int depth = 0;
	bool down = false;

	for (const char *p = name; *p; p++)
		depth += *p == '/';
	if (*to == '/' || !*name)
		return true;
	while (*to) {
		size_t len = strcspn(to, "/");

		if (len == 2 && to[0] == '.' && to[1] == '.') {
			if (down || depth == 0)
				return true;
			depth--;
		} else if (len > 1 || (len == 1 && to[0] != '.')) {
			down = true;
		}
		to += len;
		to += *to == '/';
	}
	return false;
}

/* --- heads --- */

static void put(uint8_t *to, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *from, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)from[i] << (8 * i);
	return v;
}

void tree_head(const struct tree_entry *e, uint8_t head[TREE_HEAD])
{
	memset(head, 0, TREE_HEAD);
	head[0] = (uint8_t)e->kind;
	put(head + 2, strlen(e->name), 2);
	put(head + 4, e->mode, 4);
	put(head + 8, e->uid, 4);
	put(head + 12, e->gid, 4);
	put(head + 16, (uint64_t)e->mtime, 8);
	put(head + 24, e->size, 8);
}

int tree_read_head(const uint8_t head[TREE_HEAD], struct tree_entry *out, uint32_t *name_len)
{
	memset(out, 0, sizeof(*out));
	*name_len = (uint32_t)get(head + 2, 2);
	out->mode = (uint32_t)get(head + 4, 4);
	out->uid = (uint32_t)get(head + 8, 4);
	out->gid = (uint32_t)get(head + 12, 4);
	out->mtime = (int64_t)get(head + 16, 8);
	out->size = get(head + 24, 8);
	if (head[1] || *name_len >= TREE_NAME || out->mode > 07777)
		return -EINVAL;
	switch (head[0]) {
	case TREE_FILE:
		out->kind = TREE_FILE;
		return out->size <= TREE_FILE_MAX ? 0 : -EINVAL;
	case TREE_FOLDER:
		out->kind = TREE_FOLDER;
		return out->size == 0 ? 0 : -EINVAL;
	case TREE_LINK:
		out->kind = TREE_LINK;
		return out->size > 0 && out->size < TREE_NAME ? 0 : -EINVAL;
	case TREE_END:
		out->kind = TREE_END;
		return *name_len == 0 ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* --- the stream --- */

static int read_all(struct tree_in *t, void *to, size_t len, struct tree_fault *f)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n = t->read(t->arg, at, len);

		if (n == 0)
			return tree_fault(f, EPIPE, "what comes ends too early");
		if (n < 0)
			return tree_fault(f, (int)-n, "what comes cannot be read: %s",
					  strerror((int)-n));
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t tree_data(struct tree_in *t, void *to, size_t room, struct tree_fault *f)
{
	ssize_t n;

	if (room > t->left)
		room = (size_t)t->left;
	if (room == 0)
		return 0;
	n = t->read(t->arg, to, room);
	if (n == 0)
		return tree_fault(f, EPIPE, "what comes ends too early");
	if (n < 0)
		return tree_fault(f, (int)-n, "what comes cannot be read: %s", strerror((int)-n));
	t->left -= (uint64_t)n;
	return n;
}

static int check_place(struct tree_in *t, const struct tree_entry *e, uint32_t len,
		       struct tree_fault *f)
{
	if (strlen(e->name) != len)
		return tree_fault(f, EPROTO, "a name has a zero byte");
	if (t->entries == 0) {
		t->top_is_folder = e->kind == TREE_FOLDER;
		return len == 0 && e->kind != TREE_END
			       ? 0
			       : tree_fault(f, EPROTO, "the first entry is not the top");
	}
	if (!t->top_is_folder)
		return tree_fault(f, EPROTO, "there is something below what is no folder");
	if (!tree_name_is_clean(e->name))
		return tree_fault(f, EPROTO, "the name \"%.300s\" is refused", e->name);
	return 0;
}

static int count(struct tree_in *t, const struct tree_entry *e, struct tree_fault *f)
{
	if (++t->entries > TREE_ENTRIES_MAX)
		return tree_fault(f, EFBIG, "there are more than %u files", TREE_ENTRIES_MAX);
	if (e->size > t->bytes_max - t->bytes)
		return tree_fault(f, EFBIG, "there are more than %llu bytes",
				  (unsigned long long)t->bytes_max);
	t->bytes += e->size;
	t->left = e->size;
	return 0;
}

int tree_next(struct tree_in *t, struct tree_entry *out, struct tree_fault *f)
{
	uint8_t head[TREE_HEAD];
	uint32_t len = 0;
	int rc = 0;

	if (t->whole)
		return 0;
	while (t->left) {
		uint8_t rest[1024];
		ssize_t n = tree_data(t, rest, sizeof(rest), f);

		if (n < 0)
			return (int)n;
	}
	if (!t->begun) {
		rc = read_all(t, head, strlen(TREE_MAGIC), f);
		if (rc == 0 && memcmp(head, TREE_MAGIC, strlen(TREE_MAGIC)) != 0)
			rc = tree_fault(f, EPROTO, "what comes is no copy of files");
		t->begun = true;
	}
	if (rc == 0)
		rc = read_all(t, head, sizeof(head), f);
	if (rc == 0 && tree_read_head(head, out, &len) < 0)
		rc = tree_fault(f, EPROTO, "an entry is damaged");
	if (rc == 0 && out->kind == TREE_END && t->entries > 0) {
		t->whole = out->size == t->entries;
		return t->whole ? 0 : tree_fault(f, EPROTO, "some entries are missing");
	}
	if (rc == 0)
		rc = read_all(t, out->name, len, f);
	if (rc == 0)
		rc = check_place(t, out, len, f);
	if (rc == 0)
		rc = count(t, out, f);
	return rc < 0 ? rc : 1;
}
