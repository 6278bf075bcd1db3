/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest may write into the rings of a vif. */
#include "hostile.h"

static struct netif_tx_request *tx(struct victim *v, uint32_t ahead)
{
	struct netif_tx_sring *s = v->dev.ring[0];

	return &s->ring[(s->req_prod + ahead) % __CONST_RING_SIZE(netif_tx, PAGE_SIZE)].req;
}

static struct netif_rx_request *rx(struct victim *v, uint32_t ahead)
{
	struct netif_rx_sring *s = v->dev.ring[1];

	return &s->ring[(s->req_prod + ahead) % __CONST_RING_SIZE(netif_rx, PAGE_SIZE)].req;
}

/* A frame that would be right. */
static struct netif_tx_request *good(struct victim *v, uint32_t ahead)
{
	struct netif_tx_request *r = tx(v, ahead);

	*r = (struct netif_tx_request){.gref = v->gref, .id = (uint16_t)ahead, .size = 60};
	return r;
}

/* More requests than the ring holds; a different lie each time. */
static void tx_index(struct victim *v)
{
	static const uint32_t jumps[] = {257, 0x7fffffff, 0x80000000u, 0xffffffffu, 1000};

	good(v, 0);
	hostile_push(v, 0, jumps[v->round % 5]);
}

static void tx_gref(struct victim *v)
{
	static const uint32_t grefs[] = {0, 511, 512, 0xffffffffu, 0x80000000u, 7};

	good(v, 0)->gref = grefs[v->round % 6];
	hostile_push(v, 0, 1);
}

static void tx_length(struct victim *v)
{
	static const uint16_t sizes[] = {0, 1, 13, 65535, 4097};

	good(v, 0)->size = sizes[v->round % 5];
	hostile_push(v, 0, 1);
}

static void tx_offset(struct victim *v)
{
	static const uint16_t offsets[] = {4095, 4096, 65535, 4040};

	good(v, 0)->offset = offsets[v->round % 4];
	hostile_push(v, 0, 1);
}

/* One frame of as many slots as there are. */
static void tx_chain(struct victim *v)
{
	for (uint32_t i = 0; i < 200; i++)
		good(v, i)->flags = NETTXF_more_data;
	hostile_push(v, 0, 200);
}

/* The first slot's length is less than that of those which follow it. */
static void tx_sum(struct victim *v)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct netif_tx_request *r = good(v, i);

		r->size = i ? 4096 : 100;
		r->flags = i < 3 ? NETTXF_more_data : 0;
	}
	hostile_push(v, 0, 4);
}

/* Extra slots of types that do not exist, or without an end, or segmentation into nothing. */
static void tx_extra(struct victim *v)
{
	struct netif_extra_info *e = (struct netif_extra_info *)(void *)tx(v, 1);

	good(v, 0)->flags = NETTXF_extra_info;
	*e = (struct netif_extra_info){
		.type = (uint8_t)v->round,
		.flags = (uint8_t)(v->round % 3 ? 0 : XEN_NETIF_EXTRA_FLAG_MORE)};
	hostile_push(v, 0, 2);
}

static void tx_segments(struct victim *v)
{
	struct netif_extra_info *e = (struct netif_extra_info *)(void *)tx(v, 1);

	good(v, 0)->flags = NETTXF_extra_info | NETTXF_csum_blank;
	*e = (struct netif_extra_info){.type = XEN_NETIF_EXTRA_TYPE_GSO};
	e->u.gso.type = (uint8_t)(v->round % 4);
	e->u.gso.size = (uint16_t)(v->round % 3);
	hostile_push(v, 0, 2);
}

/* A blank checksum of what has none: garbage as packets. */
static void tx_checksum(struct victim *v)
{
	for (uint32_t i = 0; i < 60; i++)
		v->page[i] = (uint8_t)hostile_random();
	v->page[0] = 0xff;
	v->page[12] = v->round % 2 ? 0x08 : 0x86;
	v->page[13] = v->round % 2 ? 0x00 : 0xdd;
	good(v, 0)->flags = NETTXF_csum_blank | NETTXF_data_validated;
	hostile_push(v, 0, 1);
}

static void tx_garbage(struct victim *v)
{
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t *word = (uint32_t *)(void *)tx(v, i);

		for (int w = 0; w < 3; w++)
			word[w] = hostile_random();
	}
	hostile_push(v, 0, 32);
}

/* The frame's page, and then the ring's own, are taken away while they are used. */
static void tx_revoke(struct victim *v)
{
	good(v, 0);
	hostile_push(v, 0, 1);
	hostile_revoke(v->gref);
	good(v, 0);
	hostile_push(v, 0, 1);
	v->gref = kit_grant(v->dev.backend, v->page, true);
}

static void ring_revoke(struct victim *v)
{
	hostile_revoke(v->dev.gref[0]);
	hostile_revoke(v->dev.gref[1]);
	good(v, 0);
	hostile_push(v, 0, 1);
}

static void rx_index(struct victim *v)
{
	static const uint32_t jumps[] = {257, 0x7fffffff, 0x80000000u, 0xffffffffu};

	hostile_push(v, 1, jumps[v->round % 4]);
}

/* Buffers that were never granted, or are one and the same. */
static void rx_gref(struct victim *v)
{
	static const uint32_t grefs[] = {0, 511, 0xffffffffu, 3};

	for (uint32_t i = 0; i < 4; i++)
		*rx(v, i) =
			(struct netif_rx_request){.id = (uint16_t)hostile_random(),
						  .gref = i % 2 ? v->gref : grefs[v->round % 4]};
	hostile_push(v, 1, 4);
}

/* Says that it takes frames, and never gives a buffer: the sender is for the backend to mind. */
static void rx_none(struct victim *v)
{
	kit_device_notify(&v->dev);
}

const struct hostile_mode hostile_vif_modes[] = {
	{"tx-index", NOXS_DEV_VIF, tx_index},	    {"tx-gref", NOXS_DEV_VIF, tx_gref},
	{"tx-length", NOXS_DEV_VIF, tx_length},	    {"tx-offset", NOXS_DEV_VIF, tx_offset},
	{"tx-chain", NOXS_DEV_VIF, tx_chain},	    {"tx-sum", NOXS_DEV_VIF, tx_sum},
	{"tx-extra", NOXS_DEV_VIF, tx_extra},	    {"tx-segments", NOXS_DEV_VIF, tx_segments},
	{"tx-checksum", NOXS_DEV_VIF, tx_checksum}, {"tx-garbage", NOXS_DEV_VIF, tx_garbage},
	{"tx-revoke", NOXS_DEV_VIF, tx_revoke},	    {"vif-ring-revoke", NOXS_DEV_VIF, ring_revoke},
	{"rx-index", NOXS_DEV_VIF, rx_index},	    {"rx-gref", NOXS_DEV_VIF, rx_gref},
	{"rx-none", NOXS_DEV_VIF, rx_none},	    {NULL, NOXS_DEV_NONE, NULL},
};
