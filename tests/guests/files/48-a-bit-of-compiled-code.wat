;; attacks = [48]
;; does = "flips a bit of what an honest plugin was compiled to"
;; file = { cache = "flipped" }
;; goes-on = "what does not carry the host's own seal is compiled again: the honest plugin runs"
;; -- on-batch
(unreachable)
