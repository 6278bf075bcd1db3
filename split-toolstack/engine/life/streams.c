/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts running saves and restores; those above the limit wait for their turn. */
#include "split-toolstack/engine/life/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <sys/sysinfo.h>

#include <utlist.h>

#include "split-toolstack/engine/life/kept.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/files/files.h"

int streams_take(struct engine *en, stream_id *id, struct err *e)
{
	if (engine_streams(en)->n >= STREAMS_MOST)
		return err_set(e, EBUSY,
			       "%u saves and restores are under way already; try again later",
			       STREAMS_MOST);
	engine_streams(en)->n++;
	*id = ++engine_streams(en)->last;
	return 0;
}

void streams_give(struct engine *en)
{
	struct stream_wait *w;

	engine_streams(en)->n--;
	/* May start more than one, because a stream that fails at once does not count. */
	while ((w = engine_streams(en)->waiting) != NULL && engine_streams(en)->n < STREAMS_MOST) {
		DL_DELETE(engine_streams(en)->waiting, w);
		w->fn(w, false);
	}
}

bool streams_full(const struct engine *en)
{
	return engine_streams(en)->waiting || engine_streams(en)->n >= STREAMS_MOST;
}

bool streams_wait(struct engine *en, struct stream_wait *w)
{
	if (!streams_full(en))
		return false;
	DL_APPEND(engine_streams(en)->waiting, w);
	return true;
}

int streams_make(struct engine *en, struct err *e)
{
	struct streams *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	engine_set_streams(en, s);
	streams_limit(en);
	return 0;
}

void streams_free(struct engine *en)
{
	if (engine_streams(en))
		kept_close(en);
	free(engine_streams(en));
	engine_set_streams(en, NULL);
}

void streams_limit(struct engine *en)
{
	struct sysinfo info;
	uint64_t most = engine_settings(en)->limits.branch_kib << 10;

	if (most == 0 && sysinfo(&info) == 0)
		most = (uint64_t)info.totalram * info.mem_unit / 4;
	__atomic_store_n(&engine_streams(en)->memory.most, most, __ATOMIC_RELAXED);
}

void streams_end(struct engine *en)
{
	struct stream_wait *w;

	__atomic_store_n(&engine_streams(en)->closing, true, __ATOMIC_RELEASE);
	while ((w = engine_streams(en)->waiting) != NULL) {
		DL_DELETE(engine_streams(en)->waiting, w);
		w->fn(w, true);
	}
}

#define BREATH_NS 2000000

void streams_breathe(struct engine *en)
{
	const struct timespec t = {.tv_nsec = BREATH_NS};

	if (!__atomic_load_n(&engine_streams(en)->closing, __ATOMIC_ACQUIRE))
		(void)nanosleep(&t, NULL);
}

int streams_no_handle(struct err *e)
{
	return err_set(
		e, EAGAIN,
		"a thread cannot open Xen's interfaces: see the log of chaosd, then try again");
}

void stream_close(struct engine *en, struct transfer *file)
{
	file_close(engine_opener(en), FILE_READ, file->fd);
	file->fd = -1;
	transfer_close(file);
}
