/* SPDX-License-Identifier: BSD-3-Clause */
/* The layers of a root, as the mount of the engine names them. */
#include "oci/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "oci/tree_size.h"

#define SMALL	      (1u << 20) /* of a layer that is packed for each container: bytes, */
#define SMALL_ENTRIES 512u	 /* and names in it */

/* --- what is mounted --- */

/* \040 and the like, as the kernel writes them. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS */
static char *options_of_line(char *line, const char *path)
{
	char *word[6];
	char *rest = line;
	char *end;

	for (int i = 0; i < 6; i++) {
		word[i] = strsep(&rest, " ");
		if (!rest)
			return NULL;
	}
	end = strncmp(rest, "- ", 2) == 0 ? rest : strstr(rest, " - ");
	if (!end || strcmp(word[3], "/") != 0)
		return NULL;
	unescape(word[4]);
	if (strcmp(word[4], path) != 0)
		return NULL;
	rest = end + (end == rest ? 2 : 3);
	if (strncmp(rest, "overlay ", 8) != 0)
		return strdup(""); /* it covers an overlay that is mounted there, too */
	end = strchr(rest + 8, ' ');
	return end ? strdup(end + 1) : NULL;
}

char *layers_options(const char *mountinfo, const char *path)
{
	char *found = NULL;

	while (*mountinfo) {
		size_t len = strcspn(mountinfo, "\n");
		char *line = strndup(mountinfo, len);
		char *options = line ? options_of_line(line, path) : NULL;

		free(line);
		if (options) {
			free(found);
			found = options;
		}
		mountinfo += len + (mountinfo[len] == '\n');
	}
	if (found && !*found) {
		free(found);
		found = NULL;
	}
	return found;
}

char *layers_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	while (*options) {
		size_t n = strcspn(options, ",");

		if (n == len && strncmp(options, name, n) == 0)
			return strdup("");
		if (n > len && options[len] == '=' && strncmp(options, name, len) == 0) {
			char *value = strndup(options + len + 1, n - len - 1);

			if (value)
				unescape(value);
			return value;
		}
		options += n + (options[n] == ',');
	}
	return NULL;
}

static char *read_mountinfo(void)
{
	char *text = NULL;
	size_t room = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	if (!f)
		return NULL;
	if (getdelim(&text, &room, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	(void)fclose(f);
	return text;
}

/* --- keys --- */

static void set_key(struct layers *l, const struct stat *first, XXH3_state_t *hash)
{
	XXH128_hash_t h = XXH3_128bits_digest(hash);

	/* the first folder itself is in it: what others chose is in the hash alone */
	(void)snprintf(l->key, sizeof(l->key), "%jx-%jx-%jx.%jx-%016jx%016jx",
		       (uintmax_t)first->st_dev, (uintmax_t)first->st_ino,
		       (uintmax_t)first->st_ctim.tv_sec, (uintmax_t)first->st_ctim.tv_nsec,
		       (uintmax_t)h.high64, (uintmax_t)h.low64);
}

static void hash_folder(XXH3_state_t *hash, const char *path, const struct stat *st)
{
	uint64_t what[] = {st->st_dev, st->st_ino, (uint64_t)st->st_ctim.tv_sec,
			   (uint64_t)st->st_ctim.tv_nsec};

	(void)XXH3_128bits_update(hash, path, strlen(path) + 1);
	(void)XXH3_128bits_update(hash, what, sizeof(what));
}

/* --- a plain folder, or an overlay that cannot be taken apart --- */

static int find_whole(struct layers *l, const char *rootfs, uint64_t least, struct err *e)
{
	struct tree_size t = {.bytes_max = UINT64_MAX, .entries_max = UINT64_MAX};
	int fd = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	XXH3_state_t *hash = XXH3_createState();
	struct stat st;
	int rc = 0;

	if (!hash)
		rc = err_set(e, ENOMEM, "out of memory");
	else if (fd < 0 || fstat(fd, &st) < 0)
		rc = err_sys(e, errno, "root.path \"%s\"", rootfs);
	if (rc == 0) {
		(void)XXH3_128bits_reset(hash);
		hash_folder(hash, rootfs, &st);
		t.hash = hash;
		rc = tree_size(&t, fd, e);
	}
	if (rc == 0)
		set_key(l, &st, hash);
	(void)XXH3_freeState(hash);
	if (fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : t.bytes > least;
}

/* --- an overlay --- */

/* Whether a layer may be packed for each container. */
static bool is_small(int fd)
{
	struct tree_size t = {.bytes_max = SMALL, .entries_max = SMALL_ENTRIES, .plain = true};

	return tree_size(&t, fd, NULL) == 0;
}

/* Takes small layers off the top of `lower`. */
static int split_small(struct layers *l, const char *upper, char **lower)
{
	const char *path = upper ? upper : strsep(lower, ":");

	while (path) {
		int fd = path[0] == '/' ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

		if (fd < 0)
			return -EINVAL;
		if (l->n == LAYERS_OVER || !is_small(fd)) {
			(void)close(fd);
			if (path == upper)
				return -EINVAL;
			if (*lower)
				(*lower)[-1] = ':';
			*lower = (char *)(uintptr_t)path;
			return 0;
		}
		l->over[l->n++] = fd;
		path = strsep(lower, ":");
	}
	return 0; /* all of it is small: *lower NULL */
}

static int key_of_lower(struct layers *l)
{
	XXH3_state_t *hash = XXH3_createState();
	char *copy = strdup(l->below);
	char *rest = copy;
	struct stat first = {0};
	bool any = false;
	const char *path;
	int rc = hash && copy ? 0 : -ENOMEM;

	if (rc == 0)
		(void)XXH3_128bits_reset(hash);
	while (rc == 0 && (path = strsep(&rest, ":"))) {
		char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
		struct stat st;

		if (!real || stat(real, &st) < 0) {
			rc = -EINVAL;
		} else {
			hash_folder(hash, real, &st);
			first = any ? first : st;
			any = true;
		}
		free(real);
	}
	if (rc == 0)
		set_key(l, &first, hash);
	(void)XXH3_freeState(hash);
	free(copy);
	return rc;
}

/* Below zero: it has to be taken whole. */
static int find_overlay(struct layers *l, const char *options)
{
	char *lower = layers_option(options, "lowerdir");
	char *upper = layers_option(options, "upperdir");
	char *metacopy = layers_option(options, "metacopy");
	char *user = layers_option(options, "userxattr");
	char *rest = lower;
	int rc = -EINVAL;

	l->metacopy = metacopy && strcmp(metacopy, "on") == 0;
	/* a backslash escapes; "::" begins layers of data alone */
	if (lower && !user && !strchr(lower, '\\') && !strstr(lower, "::"))
		rc = split_small(l, upper, &rest);
	if (rc == 0 && rest) {
		l->below = strdup(rest);
		rc = l->below ? key_of_lower(l) : -ENOMEM;
	}
	if (rc == 0)
		rc = l->below != NULL;
	free(lower);
	free(upper);
	free(metacopy);
	free(user);
	return rc;
}

/* --- */

int layers_find(struct layers *l, const char *rootfs, uint64_t least, struct err *e)
{
	char *mounts = read_mountinfo();
	char *options = mounts ? layers_options(mounts, rootfs) : NULL;
	int rc = -EINVAL;

	memset(l, 0, sizeof(*l));
	if (options)
		rc = find_overlay(l, options);
	if (rc < 0) {
		layers_free(l);
		rc = find_whole(l, rootfs, least, e);
	}
	free(options);
	free(mounts);
	return rc;
}

int layers_size(const struct layers *l, const char *rootfs, uint64_t *bytes, struct err *e)
{
	char *copy = strdup(l->below ? l->below : rootfs);
	char *rest = copy;
	const char *path;
	int rc = copy ? 0 : err_set(e, ENOMEM, "out of memory");

	*bytes = 1 << 16;
	while (rc == 0 && (path = l->below ? strsep(&rest, ":") : rootfs)) {
		struct tree_size t = {.bytes_max = UINT64_MAX, .entries_max = UINT64_MAX};
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		rc = fd < 0 ? err_sys(e, errno, "read layer \"%s\"", path) : tree_size(&t, fd, e);
		if (fd >= 0)
			(void)close(fd);
		*bytes += t.bytes;
		if (!l->below)
			break;
	}
	free(copy);
	return rc;
}

void layers_free(struct layers *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		(void)close(l->over[i]);
	free(l->below);
	memset(l, 0, sizeof(*l));
}
