/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a saved VM with other bytes of the toolstack. */
#include "libdom/save_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (256u << 10)

int save_head_for(const struct save_stream *s, const void *owner, uint32_t bytes,
		  struct save_header *h, uint8_t **head, struct err *e)
{
	uint64_t own = save_pad(s->h.owner_bytes);

	*head = NULL;
	if (bytes > SAVE_OWNER_MAX)
		return err_set(e, E2BIG, "its configuration has %u bytes: too many", bytes);
	*h = s->h;
	h->owner_bytes = bytes;
	*head = calloc(1, save_sections(h) + 1);
	if (!*head)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(*head, owner, bytes);
	memcpy(*head + save_pad(bytes), s->sections + own, save_sections(&s->h) - own);
	h->sections_hash = save_hash_of(*head, save_sections(h));
	h->header_hash = save_hash_of(h, offsetof(struct save_header, header_hash));
	return 0;
}

/* The pages and the end. */
static int copy_rest(struct save_stream *s, struct transfer *to, struct err *e)
{
	uint64_t left = s->h.present * PAGE_BYTES + sizeof(struct save_end);
	uint8_t *piece = malloc(PIECE);
	int rc = piece ? 0 : err_set(e, ENOMEM, "out of memory");

	transfer_at(s->from, s->pages_at);
	while (rc == 0 && left) {
		struct iovec iov = {piece, left < PIECE ? (size_t)left : PIECE};
		ssize_t n = transfer_read(s->from, &iov, 1);

		if (n < 0) {
			rc = err_sys(e, (int)-n, "read the saved VM");
		} else if (n == 0) {
			rc = err_set(e, EPROTO, "the file is cut: it ends within its pages");
		} else {
			iov = (struct iovec){piece, (size_t)n};
			rc = transfer_write(to, &iov, 1);
			rc = rc < 0 ? err_sys(e, -rc, "write the saved VM") : 0;
			left -= (uint64_t)n;
		}
	}
	transfer_at(s->from, -1);
	free(piece);
	return rc;
}

int save_write_for(struct save_stream *s, const void *owner, uint32_t owner_bytes,
		   struct transfer *to, struct err *e)
{
	struct save_header h;
	uint8_t *head;
	int rc = save_head_for(s, owner, owner_bytes, &h, &head, e);

	if (rc == 0) {
		rc = transfer_write(
			to, (struct iovec[]){{&h, sizeof(h)}, {head, save_sections(&h)}}, 2);
		rc = rc < 0 ? err_sys(e, -rc, "write the saved VM") : copy_rest(s, to, e);
	}
	free(head);
	return rc;
}
